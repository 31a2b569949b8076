"""The evaluation on small volumes whose scores are known, and on real data."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_emgauss.errors import ConfigError, VolumeError, VoxelSizeError
from napari_emgauss.evaluation import evaluate
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.metrics import fsim, psnr, ssim
from napari_emgauss.volume import Volume

DATA = Path(__file__).resolve().parents[2] / "../shared/data"


NM = (8.0, 8.0, 8.0)


FACTOR = 4


def test_scores_are_those_of_the_withheld_sections_only(volume, result):
    linear = Interpolator(volume.every(FACTOR))
    withheld = [k for k in range(17) if k % FACTOR]
    pairs = [(linear.section(k / FACTOR) / 255, volume.section(k) / np.float32(255)) for k in withheld]
    scored = result["linear"]
    assert [s.z_voxel for s in result.sections if s.method == "linear"] == withheld
    assert scored.psnr_db == pytest.approx(np.mean([psnr(*pair) for pair in pairs]), abs=1e-4)
    assert scored.ssim == pytest.approx(np.mean([ssim(*pair) for pair in pairs]), abs=1e-5)
    assert scored.fsim == pytest.approx(np.mean([fsim(*pair) for pair in pairs]), abs=1e-4)


def test_sections_behind_the_last_kept_one_are_not_used(result):
    assert result.shape == (17, 40, 36)


def test_methods_see_only_the_kept_sections(volume):
    seen = []

    def spy(thinned):
        seen.append((thinned.shape, thinned.voxel_size_nm))
        np.testing.assert_array_equal(thinned.as_float(), volume.data[::FACTOR])
        return Interpolator(thinned).section

    evaluate(volume, FACTOR, {"spy": spy})
    assert seen == [((5, 40, 36), (32.0, 8.0, 8.0))]


def test_progress_counts_the_sections_of_each_method(volume):
    seen = []
    evaluate(volume, FACTOR, ["nearest", "linear"], progress=lambda *step: seen.append(step))
    assert seen == [(name, k, 17) for name in ("nearest", "linear") for k in range(1, 18)]


def test_costs_are_measured(volume):
    def hungry(_thinned):
        ballast = np.ones(64 * 2**20, np.uint8)
        return lambda z: np.zeros(volume.shape[1:], np.float32) + ballast[0]

    scored = evaluate(volume, FACTOR, {"hungry": hungry})["hungry"]
    assert scored.memory_mib > 50
    assert scored.process_peak_mib >= scored.memory_mib
    assert scored.fit_seconds > 0
    assert scored.render_seconds > 0


@pytest.mark.parametrize("factor", [1, 0, -3, 2.5, "6"])
def test_impossible_factors_are_refused(factor, volume):
    with pytest.raises(ConfigError, match="factor must be"):
        evaluate(volume, factor)


def test_a_factor_deeper_than_the_volume_is_refused(volume):
    with pytest.raises(VolumeError, match="factor 19 needs at least 20 sections, the volume has 19"):
        evaluate(volume, 19)


def test_anisotropic_volumes_are_refused(volume):
    with pytest.raises(VoxelSizeError, match=r"needs an isotropic volume, got voxel_size_nm \(40\.0"):
        evaluate(Volume(volume.data, (40, 4, 4)), FACTOR)


def test_no_planes_are_refused(volume):
    with pytest.raises(ConfigError, match="n_planes must be at least 1"):
        evaluate(volume, FACTOR, n_planes=0)


def test_an_image_of_the_wrong_shape_is_refused_with_its_method(volume):
    with pytest.raises(VolumeError, match=r"small at z = 0 returned shape \(3, 3\)"):
        evaluate(volume, FACTOR, {"small": lambda _stack: lambda _z: np.zeros((3, 3), np.float32)})


def test_nan_is_refused_with_its_method(volume):
    with pytest.raises(VolumeError, match="holes at z = 0 returned NaN"):
        evaluate(volume, FACTOR, {"holes": lambda _stack: lambda _z: np.full((40, 36), np.nan, np.float32)})


def test_flow_with_blur_beats_linear_on_fib25():
    path = DATA / "fib25_sample2.tif"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the project")
    crop = tifffile.imread(path, key=range(37))[:, :128, :128]
    result = evaluate(Volume(crop, NM), 6, ["linear", "flow+blur0.7"], with_fsim=False)
    gain_db = result["flow+blur0.7"].psnr_db - result["linear"].psnr_db
    assert gain_db > 0.4
    assert result["flow+blur0.7"].ssim > result["linear"].ssim
