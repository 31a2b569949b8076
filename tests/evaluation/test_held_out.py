"""Scores on held-out sections: of known images, against plain interpolation that saw the same sections."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import napari_emgauss as eg
from napari_emgauss.errors import ConfigError, VolumeError
from napari_emgauss.evaluation import (
    HeldOut,
    HeldOutScore,
    HeldOutSectionScore,
    plain_levels,
    score_held_out,
)
from napari_emgauss.evaluation.scoring import structure
from napari_emgauss.io.store import JobMemory
from napari_emgauss.methods.emgauss import Draft
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.train import train
from napari_emgauss.metrics import psnr, ssim
from napari_emgauss.training import Progress, RunConfig


@pytest.fixture(scope="module")
def trained_in_part(long_stack):
    settings = {"adapt_spacing": False}
    return eg.reconstruct(long_stack, preset="fast", hold_out=(2, 6), leave_out=(4,), **settings)


@pytest.fixture(scope="module")
def scored(long_stack, trained_in_part) -> HeldOut:
    result = score_held_out(long_stack, trained_in_part)
    assert result is not None
    return result


def made_up(ours, *plain) -> HeldOut:
    """Scores (PSNR, SSIM, structure) of three sections."""
    rows = [HeldOutScore("emgauss", "reconstruction", *ours, 3)]
    rows += [HeldOutScore(name, "baseline", *scores, 3) for name, *scores in plain]
    sections = [
        HeldOutSectionScore(row.method, k, row.psnr_db, row.ssim, row.structure) for row in rows for k in (2, 6, 9)
    ]
    return HeldOut(tuple(rows), tuple(sections), gaps_nm=(100.0, 50.0))


def test_only_held_out_sections_are_scored_and_by_every_method(scored):
    assert {s.section for s in scored.sections} == {2, 6}
    methods = ["emgauss", "linear", "linear+blur0.7", "linear+blur1.0", "flow", "flow+blur0.7", "flow+blur1.0"]
    assert [(row.method, row.n) for row in scored.rows] == [(name, 2) for name in methods]
    assert len(scored.sections) == 2 * len(methods)


def test_the_reconstruction_is_scored_on_what_it_renders(scored, long_stack, trained_in_part):
    pairs = [(trained_in_part.render(z).clip(0, 255) / 255, long_stack.section(z) / 255) for z in (2, 6)]
    assert scored.reconstruction.psnr_db == pytest.approx(np.mean([psnr(*pair) for pair in pairs]), abs=1e-4)
    assert scored.reconstruction.ssim == pytest.approx(np.mean([ssim(*pair) for pair in pairs]), abs=1e-5)


def test_linear_interpolation_is_the_mean_of_the_neighbours_that_were_seen(scored, long_stack):
    sections = long_stack.as_float() / 255
    between = {2: (sections[1] + sections[3]) / 2, 6: (sections[5] + sections[7]) / 2}
    expected = np.mean([psnr(between[z], sections[z]) for z in (2, 6)])
    row = next(row for row in scored.rows if row.method == "linear")
    assert row.psnr_db == pytest.approx(expected, abs=1e-4)


def test_training_and_plain_levels_have_the_numbers_of_the_table(long_stack):
    """One number for one thing: the curve, its plain levels and the scores afterwards."""
    gains = np.float32([1, 1.2, 0.9, 1.1, 0.8, 1, 1.2, 0.9, 1])[:, None, None]
    uneven = eg.Volume(long_stack.as_float() * gains, long_stack.voxel_size_nm)
    progress, drafts = [], []
    setup = prepare(uneven, preset="fast", newton_steps=3, hold_out=(2, 6), device="cpu")
    rec = train(setup, on_event=progress.append, on_draft=drafts.append, run_config=RunConfig(validate_every=1))
    assert "brightness" in rec.record["corrections"]["used"]
    table = {row.method: row.psnr_db for row in score_held_out(uneven, rec).rows}
    levels = plain_levels(uneven, drafts[0])
    assert levels == pytest.approx({name: table[name] for name in levels}, abs=1e-3)
    assert len(levels) == 6
    last = [event for event in progress if isinstance(event, Progress)][-1]
    assert last.scores["held_out_psnr_db"] == pytest.approx(table["emgauss"], abs=0.02)


def test_without_held_out_sections_there_are_no_plain_levels(long_stack):
    assert plain_levels(long_stack, Draft(prepare(long_stack, device="cpu"), JobMemory())) == {}


@pytest.mark.parametrize(
    ("ours", "sentence"),
    [
        (
            (27.6, 0.75, 0.6),
            "better than with any plain interpolation, on 3 of 3; in PSNR EMGauss is 0.6 dB better than",
        ),
        ((26.6, 0.70, 0.6), "on 3 of 3; in PSNR it is 0.4 dB below optical flow + blur."),
        ((27.0, 0.70, 0.6), "on 3 of 3; in PSNR it is level with optical flow + blur."),
        (
            (27.6, 0.75, 0.5),
            "0.6 dB better than optical flow + blur, the best plain interpolation; structures follow as",
        ),
        ((27.06, 0.7, 0.5), "EMGauss is 0.06 dB better than optical flow + blur"),
        ((26.0, 0.75, 0.4), "EMGauss is better than plain interpolation in SSIM only, by 0.040."),
        ((26.0, 0.6, 0.4), "EMGauss is not better than plain interpolation: in PSNR it is 1.0 dB below optical flow"),
    ],
)
def test_the_verdict_says_in_plain_words_what_a_harder_test_tells(ours, sentence):
    result = made_up(ours, ("linear", 26.0, 0.71, 0.5), ("flow+blur0.7", 27.0, 0.70, 0.45))
    verdict = result.verdict()
    assert verdict.startswith("A harder test (gaps of 100 nm instead of 50), on your 3 held-out sections: ")
    assert sentence in verdict
    assert ("can come out the other way" in verdict) == (not result.pays)
    assert "serve" not in verdict
    assert result.best_plain.method == "flow+blur0.7"
    assert result.best_structure.method == "linear"


@pytest.mark.parametrize(
    ("ours", "words"),
    [
        ((27.6, 0.75, 0.6), "Membranes follow through the gap: better than interpolation on 3 of 3 held-out sections,"),
        ((27.6, 0.75, 0.5), "Closer to the truth than interpolation on your 3 held-out sections,"),
        ((26.0, 0.6, 0.4), "No better than interpolation on your 3 held-out sections,"),
    ],
)
def test_the_verdict_in_words_needs_no_decibels(ours, words):
    told = made_up(ours, ("linear", 26.0, 0.71, 0.5), ("flow+blur0.7", 27.0, 0.70, 0.45)).in_words()
    assert told.startswith(f"{words} at a harder test (gaps of 100 nm instead of 50)")
    assert told.endswith("Structures thinner than a section, such as vesicles, are guesses.")
    assert "dB" not in told


def test_a_blur_raises_psnr_but_not_the_structure_score(long_stack):
    truth = long_stack.section(4) / np.float32(255)
    noisy = truth + np.random.default_rng(0).normal(0, 0.15, truth.shape).astype(np.float32)
    blurred = gaussian_filter(noisy, 1.0, mode="wrap")
    assert psnr(blurred, truth) > psnr(noisy, truth) + 1
    assert structure(blurred, truth) == pytest.approx(structure(noisy, truth), abs=0.02)
    assert structure(truth, truth) == pytest.approx(1)


def test_the_gaps_of_the_test_and_of_the_result_are_told(scored):
    assert scored.gaps_nm == (48, 24)


def test_few_sections_are_called_a_hint(scored):
    assert "hint" in scored.verdict()
    assert "hint" not in made_up((27.6, 0.75, 0.6), ("linear", 26.0, 0.7, 0.5)).verdict()


def test_the_table_has_a_row_per_method(scored):
    lines = scored.table().splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(scored.rows)]] == [row.method for row in scored.rows]
    assert f"{scored.reconstruction.psnr_db:.2f}" in lines[1]


def test_scoring_stops_when_told_and_reports_how_far_it_is(long_stack, trained_in_part):
    seen = []
    result = score_held_out(
        long_stack,
        trained_in_part,
        methods=("linear",),
        stop=lambda: len(seen) == 3,
        progress=lambda done, of: seen.append((done, of)),
    )
    assert result is None
    assert seen == [(1, 4), (2, 4), (3, 4)]


def test_models_and_stacks_that_cannot_be_scored_are_refused(long_stack, stack, trained_in_part):
    everything = {"teacher": "ema", "newton_steps": 0, "joint": 1, "bootstrap": 0, "adapt_spacing": False}
    with pytest.raises(ConfigError, match="nothing was held out"):
        score_held_out(stack, eg.reconstruct(stack, **everything))
    with pytest.raises(VolumeError, match=r"\(9, 48, 40\), this one has \(5, 48, 40\)"):
        score_held_out(stack, trained_in_part)
    with pytest.raises(ConfigError, match="plain interpolations"):
        score_held_out(long_stack, trained_in_part, methods=("emgauss",))


def test_a_quick_look_that_does_not_pay_names_the_slower_preset(scored):
    assert scored.preset == "fast"
    losing = replace(made_up((20.0, 0.3, 0.4), ("linear", 21.0, 0.4, 0.5)), preset="fast")
    assert "'balanced'" in losing.verdict()
    assert "'balanced'" not in replace(losing, preset="balanced").verdict()
    winning = replace(made_up((22.0, 0.5, 0.6), ("linear", 21.0, 0.4, 0.5)), preset="fast")
    assert "'balanced'" not in winning.verdict()
