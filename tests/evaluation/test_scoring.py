"""Scores of sections and of the planes across them."""

import math

import numpy as np
import pytest

from napari_emgauss.errors import VolumeError
from napari_emgauss.evaluation import evaluate
from napari_emgauss.volume import Volume

NM = (8.0, 8.0, 8.0)


FACTOR = 4


def oracle(volume, noise=0.0):
    """A method that knows the truth, up to noise."""
    rng = np.random.default_rng(1)

    def factory(_thinned):
        return lambda z: volume.section(round(z * FACTOR)) + noise * rng.standard_normal(volume.shape[1:]).astype("f4")

    return factory


def test_planes_count_withheld_rows_only(volume):
    def spoilt_where_observed(_thinned):
        return lambda z: volume.section(round(z * FACTOR)) * (0.0 if z == int(z) else 1.0)

    scored = evaluate(volume, FACTOR, {"spoilt": spoilt_where_observed})["spoilt"]
    assert scored.xz_psnr_db == scored.yz_psnr_db == scored.psnr_db == math.inf
    assert scored.xz_ssim < 1  # windows on withheld rows do see their observed neighbours


def test_planes_of_a_perfect_reconstruction_score_one(volume):
    scored = evaluate(volume, FACTOR, {"truth": oracle(volume)})["truth"]
    assert (scored.ssim, scored.xz_ssim, scored.yz_ssim) == pytest.approx((1, 1, 1))


def test_volumes_too_shallow_for_the_window_have_no_plane_ssim(volume):
    shallow = Volume(volume.data[:9], NM)
    result = evaluate(shallow, FACTOR, "linear")
    assert math.isnan(result["linear"].xz_ssim)
    assert math.isfinite(result["linear"].xz_psnr_db)
    assert "–" in result.table()


def test_the_score_does_not_depend_on_the_intensity_unit(volume):
    rescaled = volume.data * np.float32(40.0)
    low, high = float(rescaled.min()), float(rescaled.max())
    assert (low, high) == (0, 255 * 40)  # the same extremes as uint8's range, so the same scale
    expected = evaluate(volume, FACTOR, "linear")["linear"]
    for dtype in ("uint16", "int16", "float32"):
        scored = evaluate(Volume(rescaled.astype(dtype), NM), FACTOR, "linear")["linear"]
        assert (scored.psnr_db, scored.ssim) == pytest.approx((expected.psnr_db, expected.ssim), abs=1e-3)


def test_predictions_outside_an_integer_type_are_clipped_as_in_a_file():
    data = np.zeros((9, 16, 16), np.uint8)
    data[..., 8:] = 255
    overshooting = {"overshooting": lambda stack: lambda z: np.where(stack.section(0) > 0, 300.0, -50.0)}
    assert evaluate(Volume(data, NM), 4, overshooting)["overshooting"].psnr_db == math.inf


def test_a_constant_wide_volume_is_refused():
    with pytest.raises(VolumeError, match="all intensities are 7"):
        evaluate(Volume(np.full((9, 16, 16), 7, np.float32), NM), FACTOR, "linear")
