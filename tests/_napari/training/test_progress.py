import pytest

from napari_emgauss._napari.training.progress import STAGE_NAMES, describe, point_of
from napari_emgauss.training import Progress


def progress(**changes):
    values = {
        "iteration": 1200,
        "n_iterations": 4000,
        "block": 1,
        "n_blocks": 3,
        "stage": "joint",
        "losses": {"loss": 0.25},
        "scores": {"n_gaussians": 12_345.0, "held_out_psnr_db": 27.5},
        "seconds": 10.0,
        "seconds_left": 65.0,
    }
    return Progress(**{**values, **changes})


def test_a_training_is_described_in_one_line():
    line = describe(progress())
    assert line == "Step 3 of 4: Learning · part 2 of 3 · about 1 min 5 s left · 12,345 Gaussians"
    assert describe(progress(n_blocks=1, scores={})).count(" · ") == 1


@pytest.mark.parametrize(
    ("stage", "line"),
    [
        ("evidence", "Step 2 of 4: Testing on hidden sections · under 1 s left in this step"),
        ("pseudo-sections", "Step 3 of 4: Predicting between them · under 1 s left in this step"),
        ("uncertainty", "Step 4 of 4: Mapping the uncertainty · under 1 s left"),
        ("images", "Fitting the particles one by one · under 1 s left in this step"),
    ],
)
def test_a_stage_that_knows_of_its_own_time_only_does_not_promise_an_early_end(stage, line):
    own = progress(stage=stage, n_blocks=1, scores={}, seconds_left=0.3, of_stage=True)
    assert describe(own) == line
    assert describe(own, left_s=42) == line.partition("under")[0] + "about 42 s left"


def test_the_share_that_is_done_is_one_of_the_time_announced():
    studying = progress(stage="evidence", iteration=0, seconds=30.0, of_stage=True)
    assert point_of(studying).share is None
    assert point_of(studying, left_s=10.0).share == 0.75
    assert point_of(progress()).share == 0.3


@pytest.mark.parametrize("stage", [*STAGE_NAMES, "a stage to come"])
def test_every_stage_has_a_name(stage):
    assert STAGE_NAMES.get(stage, stage) in describe(progress(stage=stage)).partition(" · ")[0]


def test_what_is_not_known_yet_is_no_point_of_a_curve():
    known, unknown = point_of(progress()), point_of(progress(losses={}, scores={}))
    assert (known.loss, known.held_out_psnr_db) == (0.25, 27.5)
    assert (unknown.loss, unknown.held_out_psnr_db) == (None, None)
