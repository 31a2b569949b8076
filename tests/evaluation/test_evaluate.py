"""The evaluation on small volumes whose scores are known, and on real data."""

import csv
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from napari_emgauss.errors import ConfigError, VolumeError, VoxelSizeError
from napari_emgauss.evaluation import evaluate
from napari_emgauss.evaluation.sources import RECONSTRUCTIONS
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.metrics import fsim, psnr, ssim
from napari_emgauss.volume import Volume

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
NM = (8.0, 8.0, 8.0)
FACTOR = 4


@pytest.fixture(scope="module")
def volume():
    texture = gaussian_filter(np.random.default_rng(0).standard_normal((19, 40, 36)), 2)
    texture -= texture.min()
    return Volume((texture / texture.max() * 255).astype(np.uint8), NM)


def oracle(volume, noise=0.0):
    """A method that knows the truth, up to noise."""
    rng = np.random.default_rng(1)

    def factory(_thinned):
        return lambda z: volume.section(round(z * FACTOR)) + noise * rng.standard_normal(volume.shape[1:]).astype("f4")

    return factory


@pytest.fixture(scope="module")
def result(volume):
    return evaluate(volume, FACTOR, ["linear", "flow+blur0.7", ("noisy truth", oracle(volume, 2.0))])


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


def test_phases_average_to_the_mean(result):
    phases = [p for p in result.phases if p.method == "linear"]
    assert [p.phase for p in phases] == [1, 2, 3]
    assert np.mean([p.psnr_db for p in phases]) == pytest.approx(result["linear"].psnr_db)
    assert phases[1].psnr_db < min(phases[0].psnr_db, phases[2].psnr_db)  # the middle is the hardest


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


def test_a_plain_blur_stands_for_both_published_ones(volume):
    result = evaluate(volume, FACTOR, ["linear+blur"], with_fsim=False)
    assert [m.method for m in result.methods] == ["linear+blur0.7", "linear+blur1.0"]
    assert math.isnan(result.methods[0].fsim)


def test_emgauss_gets_its_preset_and_options(volume, monkeypatch):
    calls = []

    def reconstruct(stack, **options):
        calls.append(options)
        return SimpleNamespace(render=Interpolator(stack).section)

    monkeypatch.setitem(RECONSTRUCTIONS, "emgauss", reconstruct)
    result = evaluate(volume, FACTOR, ["emgauss", "emgauss:paper"], preset="fast", seed=3, n_gaussians=9)
    assert [call["preset"] for call in calls] == ["fast", "paper"]
    assert all(call["seed"] == 3 and call["n_gaussians"] == 9 for call in calls)
    assert [m.kind for m in result.methods] == ["reconstruction"] * 2


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


def test_a_constant_wide_volume_is_refused():
    with pytest.raises(VolumeError, match="all intensities are 7"):
        evaluate(Volume(np.full((9, 16, 16), 7, np.float32), NM), FACTOR, "linear")


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ([], "at least one method"),
        (["linear", "linear"], "linear more than once"),
        (["linear+blur", "linear+blur0.7"], "more than once"),
        (["emgaus"], "Reconstructions are emgauss"),
        (["emgauss:"], "preset is missing"),
    ],
)
def test_method_lists_are_checked_before_anything_runs(methods, message, volume):
    with pytest.raises(ConfigError, match=message):
        evaluate(volume, FACTOR, methods)


def test_no_planes_are_refused(volume):
    with pytest.raises(ConfigError, match="n_planes must be at least 1"):
        evaluate(volume, FACTOR, n_planes=0)


def test_an_image_of_the_wrong_shape_is_refused_with_its_method(volume):
    with pytest.raises(VolumeError, match=r"small at z = 0 returned shape \(3, 3\)"):
        evaluate(volume, FACTOR, {"small": lambda _stack: lambda _z: np.zeros((3, 3), np.float32)})


def test_nan_is_refused_with_its_method(volume):
    with pytest.raises(VolumeError, match="holes at z = 0 returned NaN"):
        evaluate(volume, FACTOR, {"holes": lambda _stack: lambda _z: np.full((40, 36), np.nan, np.float32)})


def test_verdict_says_by_how_much_a_reconstruction_wins(result):
    best, own = result["flow+blur0.7"], result["noisy truth"]
    if result["linear"].psnr_db > best.psnr_db:
        best = result["linear"]
    text = result.verdict()
    assert f"Best plain baseline on this stack: {best.method}" in text
    assert f"noisy truth beats it: {own.psnr_db - best.psnr_db:+.2f} dB" in text
    assert "on 12 of 12 withheld sections" in text


def test_verdict_admits_defeat(volume):
    text = evaluate(volume, FACTOR, ["linear", ("noise", oracle(volume, 200.0))]).verdict()
    assert "noise does not beat it: -" in text
    assert "on 0 of 12" in text


def test_verdict_asks_for_a_baseline(volume):
    assert "add flow+blur" in evaluate(volume, FACTOR, {"truth": oracle(volume)}).verdict()


def test_table_is_aligned_and_names_the_window(result):
    text = str(result)
    assert "Gaussian 11 × 11" in text
    assert "scores of the 12 withheld ones" in text
    means = text.split("\n\n")[1].splitlines()
    assert len({len(line) for line in means}) == 1
    assert [line.split("  ")[0] for line in means[1:]] == ["linear", "flow+blur0.7", "noisy truth"]


def test_unknown_method_names_the_scored_ones(result):
    with pytest.raises(KeyError, match="linear, flow"):
        result["cubic"]


def test_csv_holds_every_row(result, tmp_path):
    result.to_csv(tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [sum(row["scope"] == scope for row in rows) for scope in ("mean", "phase", "section")] == [3, 9, 36]
    assert float(rows[0]["psnr_db"]) == result["linear"].psnr_db


def test_json_is_strict_and_holds_the_means(volume, tmp_path):
    result = evaluate(volume, FACTOR, {"truth": oracle(volume)})
    result.to_json(tmp_path / "scores.json")
    content = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert content["methods"][0]["psnr_db"] is None  # infinite
    assert content["methods"][0]["ssim"] == pytest.approx(1)
    assert content["factor"] == FACTOR
    assert len(content["sections"]) == 12


def test_views_for_the_figure_are_a_middle_withheld_section(volume, result):
    truth = result.truth_view
    assert truth.z_voxel % FACTOR != 0
    np.testing.assert_allclose(truth.section, volume.section(truth.z_voxel) / 255, atol=1e-6)
    np.testing.assert_allclose(truth.xz, volume.data[:17, truth.y_voxel] / 255, atol=1e-6)
    assert [view.xz.shape for view in result.views] == [(17, 36)] * 3


def test_views_of_wide_sections_are_cropped_to_the_middle():
    data = np.random.default_rng(0).integers(0, 255, (5, 300, 20), np.uint8)
    truth = evaluate(Volume(data, NM), 2, "nearest", with_fsim=False).truth_view
    np.testing.assert_allclose(truth.section, data[truth.z_voxel, 22:278] / 255, atol=1e-6)


def test_flow_with_blur_beats_linear_on_fib25():
    path = DATA / "fib25_sample2.tif"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the project")
    crop = tifffile.imread(path, key=range(37))[:, :128, :128]
    result = evaluate(Volume(crop, NM), 6, ["linear", "flow+blur0.7"], with_fsim=False)
    gain_db = result["flow+blur0.7"].psnr_db - result["linear"].psnr_db
    assert gain_db > 0.4
    assert result["flow+blur0.7"].ssim > result["linear"].ssim
