"""The scale of a stack comes from its percentiles, read band by band."""

import numpy as np
import pytest

from napari_emgauss.errors import ConfigError
from napari_emgauss.resampling.scaling import PERCENTILES, Scaling
from napari_emgauss.volume import Volume


@pytest.mark.parametrize("band_bytes", [1, 10**9])
def test_every_third_pixel_of_a_section_counts(monkeypatch, band_bytes):
    monkeypatch.setattr("napari_emgauss.volume.BAND_BYTES", band_bytes)
    data = np.random.default_rng(0).integers(0, 2**16, (4, 700, 41), np.uint16)
    scaling = Scaling.of(Volume(data, (4, 1, 1)), [0, 1, 3])
    expected = np.percentile(np.concatenate([data[i].ravel()[::3] for i in (0, 1, 3)]), PERCENTILES)
    assert (scaling.low, scaling.high) == tuple(expected)


def test_a_constant_stack_has_a_range_too():
    scaling = Scaling.of(Volume(np.full((2, 16, 16), 7, np.uint8), (4, 1, 1)), [0, 1])
    assert (scaling.low, scaling.high) == (7, 8)
    assert scaling.normalise(np.full((2, 2), 8, np.uint8)).tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("ends", [(3.0, 3.0), (4.0, 3.0), (0.0, float("inf")), (float("nan"), 1.0), (-1e308, 1e308)])
def test_a_scale_without_a_range_is_refused(ends):
    with pytest.raises(ConfigError, match="rise from a finite low"):
        Scaling(*ends)


@pytest.mark.parametrize("unit", [1e-38, 1e-12, 1e30, 3e37])
def test_intensities_of_any_size_are_normalised_and_restored(unit):
    data = (np.random.default_rng(0).uniform(-1, 1, (2, 16, 16)) * unit).astype(np.float32)
    scaling = Scaling.of(Volume(data, (4, 1, 1)), [0, 1])
    normal = scaling.normalise(data[0])
    assert np.abs(normal).max() < 2
    np.testing.assert_allclose(scaling.restore(normal), data[0], atol=1e-6 * unit)
