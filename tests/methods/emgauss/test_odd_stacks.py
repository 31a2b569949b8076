"""Stacks that no one wants and everyone has: a sensible model, or an error that says what to do."""

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.errors import VolumeError

QUICK = {"preset": "fast", "spacing_px": 4.0, "device": "cpu"}
USUAL_SPACING = {"adapt_spacing": False}
FAST_BFLOAT16 = "napari_emgauss.interpolation.prior.interpolator._has_fast_bfloat16"


@pytest.fixture(scope="module")
def tissue(stack):
    return np.asarray(stack.data)


@pytest.fixture(scope="module")
def usual(tissue):
    """What becomes of the stack as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FAST_BFLOAT16, lambda: False)
        return reconstructed(tissue, **USUAL_SPACING)


def reconstructed(data, voxel_size_nm=(48, 8, 8), **settings):
    return eg.reconstruct(eg.Volume(data, voxel_size_nm), **QUICK, **settings)


def one_bright_pixel(tissue, value):
    data = np.zeros_like(tissue, np.float32)
    data[2, 20, 20] = value
    return data


ODD = {
    "constant": lambda tissue: np.full_like(tissue, 7),
    "constant float": lambda tissue: np.full_like(tissue, 0.1, np.float32),
    "black": lambda tissue: np.zeros_like(tissue, np.float32),
    "one bright pixel": lambda tissue: one_bright_pixel(tissue, 255).astype(np.uint8),
    "one very bright pixel": lambda tissue: one_bright_pixel(tissue, 1e20),
    "two sections": lambda tissue: tissue[:2],
    "17 × 17": lambda tissue: tissue[:, :17, :17],
    "very wide": lambda tissue: np.tile(tissue, (1, 1, 20))[:, :17],
    "four levels": lambda tissue: (tissue // 64).astype(np.uint16),
    "below zero": lambda tissue: tissue.astype(np.int16) - 3000,
    "1e30": lambda tissue: tissue * np.float32(1e28),
    "1e-6": lambda tissue: tissue * np.float32(1e-8),
    "1e-35": lambda tissue: tissue * np.float32(1e-37),
    "denormals": lambda tissue: tissue * np.float32(1e-42),
    "a small contrast on a large offset": lambda tissue: tissue * np.float32(1e-4) + np.float32(10),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_stacks_give_finite_models_within_their_own_range(tissue, kind):
    data = ODD[kind](tissue)
    model = reconstructed(data)
    planes = model.resample().data
    assert planes.dtype == data.dtype
    low, high = float(data.min()), float(data.max())
    margin = 0.5 * (high - low) or abs(high) * 1e-5
    for image in (model.render(0.5), planes):
        assert np.isfinite(image).all()
        assert low - margin <= float(image.min()) <= float(image.max()) <= high + margin


@pytest.mark.parametrize("kind", ["1e30", "1e-6", "1e-35", "a small contrast on a large offset"])
def test_the_unit_of_intensities_changes_nothing(tissue, usual, kind, monkeypatch):
    # In bfloat16 the prior makes something of the last bit of a float32.
    monkeypatch.setattr(FAST_BFLOAT16, lambda: False)
    model = reconstructed(ODD[kind](tissue), **USUAL_SPACING)
    assert model.left_out == usual.left_out == ()
    images = [own.scaling.normalise(own.render(1.5)) for own in (model, usual)]
    np.testing.assert_allclose(*images, atol=0.02)


@pytest.mark.parametrize("factor", [1, 0.5, 40])
def test_any_anisotropy_is_reconstructed(tissue, factor):
    assert np.isfinite(reconstructed(tissue, (8 * factor, 8, 8), **USUAL_SPACING).render(1.5)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38, -3e38])
def test_a_pixel_that_is_no_intensity_costs_its_section(tissue, value):
    data = tissue.astype(np.float32)
    data[2, 5, 5] = value
    model = reconstructed(data, **USUAL_SPACING)
    assert model.left_out == (2,)
    assert 0 < model.render(2).min() < model.render(2).max() < 300


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38, -3e38])
def test_a_pixel_that_is_no_intensity_in_an_end_section_is_an_error_with_a_remedy(tissue, value):
    data = tissue.astype(np.float32)
    data[0, 5, 5] = value
    with pytest.raises(VolumeError, match=r"section 0 has 1 .*Replace .* or crop the stack"):
        reconstructed(data)


def test_intensities_that_span_all_numbers_are_an_error_with_a_remedy(tissue):
    data = np.where(tissue > 100, np.float32(3e38), np.float32(-3e38))
    with pytest.raises(VolumeError, match="section 0 has 1920 values that are no intensities"):
        reconstructed(data)
