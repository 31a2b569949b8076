import json
from functools import cache

import numpy as np
import pytest

from napari_emgauss.errors import ConfigError, VolumeError
from napari_emgauss.evaluation.slices import SliceVolume, evaluate_slices
from napari_emgauss.phantoms import Acquisition, brain_phantom, simulate_stacks
from napari_emgauss.slices import WorldVolume

METHODS = ("mean", "scattered", "cg")


@cache
def evaluation(known_motion):
    truth, mask = brain_phantom((28, 32, 28))
    acquisition = Acquisition(thickness_mm=3.0, corrupted=0.0, noise=0.01)
    return evaluate_slices(
        truth, mask, METHODS, acquisition=acquisition, known_motion=known_motion, voxel_size_mm=1.5, seed=1
    )


def test_who_knows_the_motion_is_better_and_who_knows_the_profile_best():
    known, unknown = evaluation(True), evaluation(False)
    assert known["cg"].psnr_db > known["scattered"].psnr_db + 2
    for method in ("scattered", "cg"):
        assert known[method].psnr_db > unknown[method].psnr_db
        assert known[method].ssim > unknown[method].ssim
        assert known[method].correlation > unknown[method].correlation


def test_a_known_motion_has_no_error_and_one_that_was_not_looked_for_its_own():
    assert evaluation(True)["cg"].motion_deg == pytest.approx(0, abs=1e-4)
    assert 1 < evaluation(False)["cg"].motion_deg < 4
    assert np.isnan(evaluation(False)["mean"].motion_mm)


def test_the_table_has_a_row_for_each_method_and_json_no_nan(tmp_path):
    lines = evaluation(False).table().splitlines()
    assert [line.split()[0] for line in lines[3:]] == list(METHODS)
    evaluation(False).to_json(tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    assert [row["method"] for row in content["methods"]] == list(METHODS)
    assert content["methods"][0]["motion_deg"] is None
    with pytest.raises(KeyError, match="no method 'flow' was scored"):
        evaluation(False)["flow"]


def test_weights_of_damaged_and_of_sound_slices_are_told_apart(acquired):
    truth, mask = brain_phantom((24, 28, 24))
    simulated = simulate_stacks(truth, mask, Acquisition(thickness_mm=2.0, corrupted=0.2), seed=1)

    def oracle(stacks, grid, motion):
        weights = [np.where(damaged, 0.1, 0.9) for damaged in simulated.corrupted]
        return SliceVolume(WorldVolume(np.ones(grid.shape, np.float32), grid.affine), motion, weights)

    score = evaluate_slices(simulated, methods=[("oracle", oracle)], known_motion=True)["oracle"]
    assert (score.weight_of_damaged, score.weight_of_sound) == (0.1, 0.9)


def test_what_cannot_be_scored_is_said(acquired):
    def broken(stacks, grid, motion):
        return SliceVolume(WorldVolume(np.full(grid.shape, np.nan, np.float32), grid.affine))

    with pytest.raises(VolumeError, match="broken returned NaN"):
        evaluate_slices(acquired, methods=[("broken", broken)])
    with pytest.raises(VolumeError, match="mask is empty"):
        evaluate_slices(acquired.truth, np.zeros_like(acquired.mask))
    with pytest.raises(ConfigError, match="unknown method"):
        evaluate_slices(acquired, methods="flow")
