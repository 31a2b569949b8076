"""What comes next, told without a window."""

import pytest

from napari_emgauss._napari.assistant.steps import Situation
from napari_emgauss._napari.training.steps import Step

NOTHING = Situation()
BAD_STACK = Situation(has_stack=True, problem="Enter the voxel size.")
BAD_PART = Situation(has_stack=True, problem="The view lies outside.", part_chosen=True)
READY = Situation(has_stack=True)
TRAINING = Situation(has_stack=True, training=True, n_models=1)
TRIED = Situation(has_stack=True, n_models=1, of_part=True)
DONE = Situation(has_stack=True, n_models=1)


@pytest.mark.parametrize(
    ("situation", "opened"),
    [
        (NOTHING, {Step.STACK}),
        (BAD_STACK, {Step.STACK}),
        (BAD_PART, {Step.STACK, Step.TRY, Step.TRAIN}),
        (READY, {Step.STACK, Step.TRY, Step.TRAIN}),
        (TRAINING, set(Step)),
        (DONE, set(Step)),
        (Situation(n_models=1), {Step.STACK, Step.LOOK, Step.EXPORT}),
    ],
)
def test_a_step_is_open_when_it_makes_sense(situation, opened):
    assert {step for step in Step if situation.opens(step)} == opened


@pytest.mark.parametrize(
    ("situation", "step", "word"),
    [
        (NOTHING, Step.STACK, "Open a stack"),
        (Situation(n_models=1), Step.STACK, "Look at the model that is open"),
        (BAD_STACK, Step.STACK, "Enter the voxel size."),
        (BAD_PART, Step.TRY, "The view lies outside."),
        (READY, Step.STACK, "try a part"),
        (READY, Step.TRY, "part in view"),
        (READY, Step.TRAIN, "whole stack"),
        (TRAINING, Step.TRAIN, "gets better by itself"),
        (TRAINING, Step.LOOK, "Still learning"),
        (TRIED, Step.LOOK, "Train on the whole stack"),
        (DONE, Step.LOOK, "Export"),
        (DONE, Step.EXPORT, "press Export"),
        (Situation(has_stack=True, n_models=1, exported=True), Step.EXPORT, "Exported."),
    ],
)
def test_a_line_says_what_comes_next(situation, step, word):
    assert word in situation.next_from(step)
