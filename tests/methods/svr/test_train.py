from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import napari_emgauss as eg
from napari_emgauss.methods.svr import reconstruct_slices
from napari_emgauss.phantoms import Acquisition, brain_phantom, simulate_stacks
from napari_emgauss.slices.motion import affines, common_motion, motion_error
from napari_emgauss.training import Control, Finished, FinishReason, Notice, Preview, Progress, RunConfig

FEW_STEPS = {"solve_steps": 14, "spacing": 1.6}
pytestmark = pytest.mark.slow


def pivots_of(stacks) -> np.ndarray:
    return np.concatenate([stack.pivots for stack in stacks])


def correlation(reconstruction, sim) -> float:
    """Correlation with the truth in its mask, once the motion that no data can tell is undone."""
    motion, pivots = np.concatenate(sim.motion), pivots_of(sim.stacks)
    common = common_motion(reconstruction.motion, pivots, reference=motion, weights=reconstruction.weights)
    volume = reconstruction.volume(grid=sim.truth.grid.moved(common))
    return float(np.corrcoef(volume.values[sim.mask], sim.truth.values[sim.mask])[0, 1])


def test_slices_find_their_places_and_the_volume_is_the_truth(reconstructed, moving):
    true, pivots = np.concatenate(moving.motion), pivots_of(moving.stacks)
    before = motion_error(np.zeros_like(true), true, pivots, weights=reconstructed.weights)
    after = motion_error(reconstructed.motion, true, pivots, weights=reconstructed.weights)
    assert after[0] < 0.5 * before[0]
    assert after[1] < 0.5 * before[1]
    assert correlation(reconstructed, moving) > 0.95


def test_a_damaged_slice_counts_nothing_and_is_named(reconstructed, moving):
    damaged = np.concatenate(moving.corrupted)
    used = np.concatenate([stack.inside.sum((1, 2)) > 100 for stack in moving.stacks])
    assert damaged.any()
    assert reconstructed.weights[damaged].max() < 0.1
    assert reconstructed.weights[~damaged & used].min() > 0.5
    assert len(reconstructed.record["slices_excluded"]) >= damaged.sum()


def test_what_lies_still_stays_and_no_slice_is_excluded(still):
    result = reconstruct_slices(still.stacks, **FEW_STEPS)
    used = np.concatenate([stack.inside.any((1, 2)) for stack in still.stacks])
    assert result.weights[used].min() > 0.5
    assert correlation(result, still) > 0.95
    turned, moved = motion_error(result.motion, np.zeros_like(result.motion), pivots_of(still.stacks))
    assert turned < 1.0
    assert moved < 0.2


def test_motion_that_hidden_slices_do_not_bear_out_is_not_taken(still):
    result = reconstruct_slices(still.stacks, **FEW_STEPS, align_stacks=False)
    evidence = result.record["evidence"]
    assert evidence["n_hidden"] >= 3
    if not evidence["moved"] * 1.005 < evidence["still"]:
        assert not result.motion.any()


def test_stacks_under_coils_are_evened_and_drawn_uneven_again():
    truth, mask = brain_phantom((24, 28, 24))
    sim = simulate_stacks(truth, mask, Acquisition(thickness_mm=3.0, corrupted=0.0, bias=0.2), seed=4)
    how = {"motion": False, "known_motion": sim.motion, "solve_steps": 8, "spacing": 2.0}
    even, uneven = (reconstruct_slices(sim.stacks, **how, bias_fields=flag) for flag in (True, False))
    assert even.record["bias_evidence"]["evened"] < 0.9 * even.record["bias_evidence"]["uneven"]
    assert not uneven.bias.any()
    first = sim.stacks[0]
    left = [np.abs(first.images - result.simulated(0))[first.inside].mean() for result in (even, uneven)]
    assert left[0] < 0.8 * left[1]


def test_a_rigid_motion_of_all_affines_moves_the_result_and_nothing_else(reconstructed, moving):
    rigid = np.eye(4)
    rigid[:3, :3] = Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix()
    rigid[:3, 3] = 30, -12, 55
    result = reconstruct_slices([stack.moved(rigid) for stack in moving.stacks], **FEW_STEPS)
    there = result.volume(grid=reconstructed.grid.moved(rigid))
    here = reconstructed.volume()
    assert np.abs(there.values - here.values).max() < 0.02 * here.values.max()
    np.testing.assert_allclose(result.weights, reconstructed.weights, atol=0.02)


def test_a_stopped_training_that_is_resumed_ends_like_one_that_was_not_stopped(moving, tmp_path, reconstructed):
    control = Control()

    def stop_at(event) -> None:
        if isinstance(event, Preview) and event.label == "volume so far":
            control.stop()

    eager = RunConfig(preview_every_s=1e-9)
    begun = reconstruct_slices(
        moving.stacks, **FEW_STEPS, control=control, checkpoint=tmp_path, on_event=stop_at, run_config=eager
    )
    assert not begun.record["completed"]
    assert begun.volume().values.any()
    ended = reconstruct_slices(moving.stacks, **FEW_STEPS, checkpoint=tmp_path)
    np.testing.assert_array_equal(ended.volume().values, reconstructed.volume().values)
    np.testing.assert_array_equal(ended.motion, reconstructed.motion)


def test_a_training_stopped_at_its_very_start_still_gives_a_volume(moving):
    control = Control()
    control.stop()
    events: list = []
    result = reconstruct_slices(moving.stacks, control=control, on_event=events.append)
    assert result.volume().values.any()
    assert [event.reason for event in events if isinstance(event, Finished)] == [FinishReason.STOPPED]


def test_motion_that_is_known_is_kept(moving):
    result = reconstruct_slices(moving.stacks, **FEW_STEPS, motion=False, known_motion=moving.motion)
    used = np.concatenate([stack.inside.any((1, 2)) for stack in moving.stacks])
    np.testing.assert_allclose(result.motion[used], np.concatenate(moving.motion)[used], atol=1e-6)
    assert correlation(result, moving) > 0.93


def test_known_motion_of_another_number_of_slices_is_refused(moving):
    with pytest.raises(eg.errors.ConfigError, match="known_motion must be"):
        reconstruct_slices(moving.stacks, known_motion=moving.motion[:2])


def test_a_model_continues_where_it_ended(reconstructed, moving):
    further = reconstruct_slices(moving.stacks, start=reconstructed)
    assert further.record["times_continued"] == 1
    assert correlation(further, moving) > correlation(reconstructed, moving) - 0.002


def test_a_model_of_other_stacks_is_not_continued(reconstructed, moving):
    with pytest.raises(eg.errors.ConfigError, match="other stacks"):
        reconstruct_slices(moving.stacks[:2], start=reconstructed)


def test_events_tell_of_progress_and_end_once(told):
    events = told[1]
    progress = [event for event in events if isinstance(event, Progress)]
    previews = [event for event in events if isinstance(event, Preview)]
    assert {"motion", "volume"} <= {event.stage for event in progress}
    first = next(event for event in events if not isinstance(event, Progress) or event.stage == "motion")
    assert isinstance(first, Preview)
    assert first.label == "stacks as they lie"
    assert np.ptp(first.image) > 100
    assert previews[-1].image.ndim == 3
    assert previews[-1].image.max() > 100
    assert isinstance(events[-1], Finished)
    assert sum(isinstance(event, Finished) for event in events) == 1
    assert any(isinstance(event, Notice) and "count less than half" in event.message for event in events)


def test_the_intensities_are_those_of_the_first_stack(moving):
    brighter = [moving.stacks[0].scaled(7.0), *moving.stacks[1:]]
    quick = {"solve_steps": 2, "spacing": 3.0, "hide_every": 0}
    values = [reconstruct_slices(stacks, **quick).volume().values.max() for stacks in (moving.stacks, brighter)]
    assert values[1] == pytest.approx(7 * values[0], rel=1e-3)


def test_of_one_stack_it_is_said_what_it_does_not_show(moving):
    events: list = []
    settings = {"solve_steps": 2, "spacing": 3.0, "hide_every": 0}
    reconstruct_slices(moving.stacks[:1], **settings, on_event=events.append)
    assert any("one stack only" in event.message for event in events if isinstance(event, Notice))


@pytest.mark.parametrize("side", [1, 3])
def test_of_a_few_pixels_a_volume_is_made_and_it_is_said_what_they_cannot_tell(moving, side):
    stacks = []
    for stack in moving.stacks:
        mask, centre = np.zeros(stack.images.shape, bool), np.array(stack.images.shape) // 2
        mask[tuple(slice(c, c + n) for c, n in zip(centre, (3, side, side), strict=True))] = True
        stacks.append(replace(stack, mask=mask))
    result = reconstruct_slices(stacks)
    assert np.isfinite(result.volume().values).all()
    assert any(f"more than {side**2} pixels" in notice for notice in result.record["notices"])


def test_stacks_of_another_type_are_refused(moving):
    with pytest.raises(eg.errors.VolumeError, match="SliceStack"):
        reconstruct_slices([moving.truth])  # type: ignore[list-item]


def test_a_stack_that_is_named_twice_is_refused(moving):
    with pytest.raises(ValueError, match="are the same images"):
        reconstruct_slices([moving.stacks[0], replace(moving.stacks[0], name="again")])


def test_settings_that_do_not_exist_are_refused(moving):
    with pytest.raises(eg.errors.ConfigError, match="Did you mean smoothness"):
        reconstruct_slices(moving.stacks, smothness=1)


def test_simulated_slices_look_like_those_that_were_measured(reconstructed, moving):
    for k, stack in enumerate(moving.stacks):
        shown = reconstructed.simulated(k)
        assert shown.shape == stack.images.shape
        good = stack.inside & (reconstructed.weights[reconstructed.of_stack(k)] > 0.5)[:, None, None]
        assert np.corrcoef(shown[good], stack.images[good])[0, 1] > 0.9
        assert np.vdot(shown[good], stack.images[good]) / np.vdot(shown[good], shown[good]) == pytest.approx(1, abs=0.1)


def test_a_slice_turned_by_its_motion_is_where_the_simulation_had_it(reconstructed, moving):
    matrices = affines(reconstructed.motion, reconstructed.pivots)
    assert matrices.shape == (sum(stack.n_slices for stack in moving.stacks), 4, 4)
    np.testing.assert_allclose(reconstructed.pivots, pivots_of(moving.stacks))


def test_a_stack_with_another_name_is_the_same_stack(reconstructed, moving):
    assert reconstructed.fits([replace(stack, name="other") for stack in moving.stacks])
