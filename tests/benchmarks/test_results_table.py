"""The table of results: crops, gains, cache, page."""

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.cases import Cache, Case, measure, run_apart
from benchmarks.crops import Crop, report_crops, tuning_crop, whole
from benchmarks.results import PLAIN, Options, chosen, plan
from benchmarks.results_page import page
from benchmarks.summary import gain, summarise

from napari_emgauss.io import write
from napari_emgauss.phantoms import phantom


def scores(method, psnr_db, ssim, *, fsim=0.9, xz_ssim=0.5, yz_ssim=0.5):
    return {
        "method": method,
        "psnr_db": psnr_db,
        "ssim": ssim,
        "fsim": fsim,
        "xz_ssim": xz_ssim,
        "yz_ssim": yz_ssim,
        "fit_seconds": 3.0,
        "process_peak_mib": 400.0,
        "code": "c",
        "cores": 2,
        "device": "cpu",
    }


@pytest.fixture(scope="module")
def volume_file(tmp_path_factory):
    return write(phantom((25, 32, 40), seed=1), tmp_path_factory.mktemp("volume") / "small.tif")


def test_report_crops_stay_behind_the_tuned_planes_and_within_the_volume():
    for factor in (4, 6, 8, 10):
        for crop in report_crops((250, 250, 250), factor, tuned_planes=97):
            assert crop.z >= 97
            assert crop.z + crop.planes <= 250
            assert (crop.planes - 1) % factor == 0
            assert max(crop.y, crop.x) + 192 <= 250


def test_three_report_crops_overlap_little_where_there_is_room():
    crops = report_crops((250, 250, 250), 6, tuned_planes=97)
    assert len(crops) == 3
    assert all(a.share_in(b) < 0.2 for a in crops for b in crops if a != b)
    assert (crops[-1].z + 61, crops[-1].y + 192, crops[-1].x + 192) == (250, 250, 250)


def test_fewer_sections_are_taken_where_eleven_do_not_fit_and_none_where_hardly_any_do():
    (crop,) = report_crops((151, 256, 256), 10, tuned_planes=76, n=1)
    assert (crop.planes - 1) // 10 + 1 == 8
    assert report_crops((30, 64, 64), 10, tuned_planes=10) == []


def test_the_share_of_a_crop_in_another_counts_voxels():
    a, b = Crop(0, 0, 0, 10, 10, 10), Crop(5, 0, 5, 20, 10, 10)
    assert a.share_in(b) == pytest.approx(0.25)
    assert b.share_in(a) == pytest.approx(0.125)
    assert a.share_in(Crop(10, 0, 0, 5, 10, 10)) == 0
    assert tuning_crop((250, 250, 250), 6).share_in(whole((250, 250, 250), 6)) == 1


def test_a_gain_is_over_the_best_plain_value_of_each_measure():
    plain = [
        scores("linear", 26.0, 0.65, fsim=0.92, xz_ssim=0.60),
        scores("flow", 27.0, 0.66, fsim=0.95, xz_ssim=0.55),
        scores("flow+blur1.0", 26.9, 0.70, fsim=0.90, xz_ssim=0.58),
    ]
    found = gain(scores("balanced", 27.5, 0.69, fsim=0.93, xz_ssim=0.61), plain)
    assert found.strongest == "flow"
    assert found.psnr_db == pytest.approx(0.5)
    assert found.ssim == pytest.approx(-0.01)  # against flow+blur1.0, not against flow
    assert found.fsim == pytest.approx(0.01)  # against linear, not against flow
    assert found.xz_ssim == pytest.approx(0.01)


def test_a_gain_without_linear_is_refused():
    with pytest.raises(ValueError, match="linear"):
        gain(scores("balanced", 27.0, 0.7), [scores("flow", 26.0, 0.6)])


def test_a_summary_has_the_mean_and_the_worst_crop_and_says_what_fell_short():
    plain = [scores("linear", 26.0, 0.65)]
    gains = [gain(scores("balanced", 26.0 + up, 0.65 + up / 10), plain) for up in (0.4, -0.1)]
    summary = summarise(gains)
    assert (summary.n, summary.psnr_db, summary.psnr_db_min) == (2, pytest.approx(0.15), pytest.approx(-0.1))
    assert summary.ssim_min == pytest.approx(-0.01)
    assert summary.shortfalls() == ["PSNR", "SSIM"]


def test_what_was_not_measured_stays_unknown_in_the_summary():
    plain = [scores("linear", 26.0, 0.65, xz_ssim=math.nan)]
    summary = summarise([gain(scores("fast", 27.0, 0.7, xz_ssim=math.nan), plain)])
    assert math.isnan(summary.xz_ssim_min)
    assert summary.shortfalls() == []


def test_a_result_is_found_again_only_with_the_same_settings(tmp_path, monkeypatch):
    from napari_emgauss.methods.emgauss import PRESETS

    cache, case = Cache(tmp_path / "new"), Case(Path("a.tif"), Crop(0, 0, 0, 25, 32, 32), 6, "fast")
    assert cache.get(case) is None
    cache.put(case, {"psnr_db": 1.5, "fsim": math.nan})
    assert cache.get(case)["psnr_db"] == 1.5
    assert math.isnan(cache.get(case)["fsim"])
    for other in (replace(case, seed=1), replace(case, factor=4), replace(case, method="linear")):
        assert cache.get(other) is None
    assert cache.get(replace(case, volume=Path("elsewhere/a.tif"))) is not None
    monkeypatch.setitem(PRESETS, "fast", {**PRESETS["fast"], "joint": 21})
    assert cache.get(case) is None


def test_a_case_in_a_process_of_its_own_scores_as_here(volume_file):
    case = Case(volume_file, whole((25, 32, 40), 6), 6, "linear")
    apart, here = run_apart(case), measure(case)
    assert apart["psnr_db"] == here["psnr_db"]
    assert apart["fsim"] == here["fsim"]


def test_a_failing_case_says_why(tmp_path):
    with pytest.raises(RuntimeError, match=r"absent\.tif"):
        run_apart(Case(tmp_path / "absent.tif", Crop(0, 0, 0, 25, 32, 32), 6, "linear"))


def test_the_plan_has_every_method_on_every_crop_and_names_pick_from_it(volume_file):
    cases = plan(Options((volume_file,), factors=(6, 4)))
    assert len({case.key for case in cases}) == len(cases)
    assert {case.method for case in cases} == {*PLAIN, "fast", "balanced"}
    picked = [case for case in cases if chosen(case, ("*/x6/whole/balanced", "x4/"))]
    assert {(case.factor, case.crop.role) for case in picked} == {(6, "whole"), (4, "report")}


def test_the_page_says_what_is_missing_and_fills_up():
    crop = Crop(76, 0, 0, 61, 192, 192)
    cases = [Case(Path("epfl_ca1_crop.tif"), crop, 6, method) for method in ("linear", "flow+blur1.0", "balanced")]
    results = [scores("linear", 25.7, 0.49), scores("flow+blur1.0", 27.0, 0.57), scores("balanced", 27.25, 0.58)]
    partial = page([(cases[0], results[0]), (cases[1], None), (cases[2], results[2])], "command")
    assert "1 of 3 cases are not measured: epfl_ca1_crop/x6/z76-y0-x0-192/flow+blur1.0" in partial
    assert "Nothing was trained yet" in partial  # a gain over linear alone would flatter
    text = page(list(zip(cases, results, strict=True)), "command")
    assert "not measured" not in text
    assert "+0.25 | +0.25 | +0.010" in text
    assert "as published, another crop" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("| z76")}
    assert widths == {10}
