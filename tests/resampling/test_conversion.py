"""Intensities in another type."""

import numpy as np
import pytest

from napari_emgauss.errors import ConfigError
from napari_emgauss.resampling.conversion import Conversion, to_dtype
from napari_emgauss.resampling.planes import Planes


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_types_that_hold_all_values_keep_them(small, dtype):
    wide = Planes(small, dtype=dtype)
    assert wide.conversion.keeps
    assert np.array_equal(np.rint(wide[3]).clip(0, 255), Planes(small)[3])
    assert "keep their values" in wide.conversion.describe()


def test_decimals_are_kept_only_by_float32(small):
    planes = Planes(small, (10, 8, 8), dtype="float32")
    assert np.any(planes[3] % 1)
    assert "rounded" in Planes(small, dtype="uint16").conversion.describe()


def test_a_narrower_type_spreads_the_stacks_range_and_says_so(make_ramp):
    deep = make_ramp("uint16", gain=200, offset=1000)
    narrow, wide = Planes(deep, dtype="uint8"), Planes(deep, dtype="float32")
    low, high = deep.display_range
    expected = np.clip(np.rint((wide[5] - low) / (high - low) * 255), 0, 255)
    assert np.abs(narrow[5] - expected).max() <= 1
    assert narrow[5].dtype == np.uint8
    assert f"{low:.6g} to {high:.6g}" in narrow.conversion.describe()
    assert narrow.conversion.limits(low, high) == pytest.approx((0, 255))
    assert narrow.conversion.limits(low, 1e9)[1] == 255
    assert narrow.record()["intensity_gain"] == pytest.approx(255 / (high - low))
    assert Conversion.of(deep).keeps


def test_a_reconstructions_range_is_that_of_its_scaling(placed):
    narrow = Conversion.of(placed, "uint8")
    assert narrow.keeps
    assert placed.display_range == (placed.scaling.low, placed.scaling.high)


def test_contrast_limits_are_never_empty(ramp):
    low, high = Conversion.of(ramp, "uint8").limits(1e9, 2e9)
    assert low < high


def test_a_type_that_volumes_cannot_have_is_refused(ramp):
    with pytest.raises(ConfigError, match="float64"):
        Conversion.of(ramp, "float64")


def test_integers_are_rounded_and_clipped_and_floats_only_cast():
    image = np.array([-3.0, 1.5, 2.5, 300.0], np.float32)
    assert to_dtype(image, np.dtype("uint8")).tolist() == [0, 2, 2, 255]
    assert to_dtype(image, np.dtype("float32")).tolist() == image.tolist()
