"""Scores on held-out sections: of known images, against plain interpolation that saw the same sections."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import napari_emgauss as eg
from napari_emgauss.errors import ConfigError, VolumeError
from napari_emgauss.evaluation import (
    HeldOut,
    HeldOutScore,
    plain_psnr_db,
    score_held_out,
)
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.study import Study
from napari_emgauss.metrics import psnr, ssim
from napari_emgauss.resampling.plain import PlainInterpolation


@pytest.fixture(scope="module")
def trained_in_part(long_stack):
    return eg.reconstruct(long_stack, preset="fast", joint=3, bootstrap=0, hold_out=(2, 6), leave_out=(4,))


@pytest.fixture(scope="module")
def scored(long_stack, trained_in_part) -> HeldOut:
    result = score_held_out(long_stack, trained_in_part)
    assert result is not None
    return result


def made_up(ours, *plain) -> HeldOut:
    """Scores (PSNR, SSIM) of three sections."""
    rows = [HeldOutScore("emgauss", "reconstruction", *ours, 3)]
    rows += [HeldOutScore(name, "baseline", db, ssim, 3) for name, db, ssim in plain]
    return HeldOut(tuple(rows), ())


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


def test_the_plain_level_is_what_training_reports_for_a_linear_interpolation(long_stack):
    hold_out, leave_out = (2, 6), (4,)
    setup = prepare(long_stack, hold_out=hold_out, leave_out=leave_out)
    objective = EmgaussJob(setup, Study()).build(0)
    linear = PlainInterpolation(long_stack, setup.observed)
    objective.model.render = lambda z: torch.from_numpy(setup.scaling.normalise(linear(z)))
    reported = objective.scores()["held_out_psnr_db"]
    assert plain_psnr_db(long_stack, hold_out, leave_out) == pytest.approx(reported, abs=1e-4)


def test_the_plain_level_takes_any_method_and_normalisation(long_stack):
    def to_unit(image):
        return image.astype(np.float32) / 255

    sections = to_unit(long_stack.as_float())
    expected = psnr(PlainInterpolation(long_stack, [0, 1, 2, 3, 5, 6, 7, 8], "flow")(4) / 255, sections[4])
    assert plain_psnr_db(long_stack, [4], method="flow", to_unit=to_unit) == pytest.approx(expected, abs=1e-4)
    with pytest.raises(ConfigError, match="hold_out"):
        plain_psnr_db(long_stack, [])
    with pytest.raises(ConfigError, match="end of the stack"):
        plain_psnr_db(long_stack, [8])


@pytest.mark.parametrize(
    ("ours", "sentence"),
    [
        ((27.6, 0.75), "EMGauss is 0.6 dB better than optical flow + blur, the best plain interpolation."),
        ((27.06, 0.75), "EMGauss is 0.06 dB better than optical flow + blur"),
        ((27.04, 0.701), "EMGauss is no better than optical flow + blur"),
        ((27.04, 0.699), "plain interpolation would serve you as well."),
        ((26.0, 0.6), "EMGauss is 1.0 dB worse than optical flow + blur"),
        ((27.6, 0.7), "0.6 dB better than optical flow + blur, the best plain interpolation, but not better in str"),
        ((26.0, 0.75), "better than plain interpolation in structural similarity (SSIM) only, by 0.040"),
    ],
)
def test_the_verdict_says_so_in_plain_words(ours, sentence):
    result = made_up(ours, ("linear", 26.0, 0.71), ("flow+blur0.7", 27.0, 0.70))
    assert result.verdict().startswith("On your 3 held-out sections EMGauss is ")
    assert sentence in result.verdict()
    assert result.best_plain.method == "flow+blur0.7"


def test_few_sections_are_called_a_hint(scored):
    assert "hint" in scored.verdict()
    assert "hint" not in made_up((27.6, 0.75), ("linear", 26.0, 0.7)).verdict()


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
    with pytest.raises(ConfigError, match="nothing was held out"):
        score_held_out(stack, eg.reconstruct(stack, preset="fast", joint=1, bootstrap=0))
    with pytest.raises(VolumeError, match=r"\(9, 48, 40\), this one has \(5, 48, 40\)"):
        score_held_out(stack, trained_in_part)
    with pytest.raises(ConfigError, match="plain interpolations"):
        score_held_out(long_stack, trained_in_part, methods=("emgauss",))


def test_a_quick_look_that_does_not_pay_names_the_slower_preset(scored):
    assert scored.preset == "fast"
    losing = replace(made_up((20.0, 0.3), ("linear", 21.0, 0.4)), preset="fast")
    assert "'balanced'" in losing.verdict()
    assert "'balanced'" not in replace(losing, preset="balanced").verdict()
    winning = replace(made_up((22.0, 0.5), ("linear", 21.0, 0.4)), preset="fast")
    assert "'balanced'" not in winning.verdict()
