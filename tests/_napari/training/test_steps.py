"""The bar of steps, and what it says."""

from itertools import product

import pytest

from napari_emgauss._napari.gem.view import STEPS as OF_PARTICLES
from napari_emgauss._napari.svr.view import STEPS as OF_SLICES
from napari_emgauss._napari.training.steps import Step, StepBar, opened_steps


@pytest.mark.parametrize("words", [OF_SLICES, OF_PARTICLES])
def test_every_step_that_is_open_says_what_to_do(words):
    assert set(words.tips) == set(Step)
    for can_train, training, has_result in product((False, True), repeat=3):
        opened = opened_steps(can_train=can_train, training=training, has_result=has_result)
        assert Step.STACK in opened
        assert all(words.next_from(step, can_train=can_train, training=training) for step in opened)
    assert "Open" in words.next_from(Step.STACK, can_train=False, training=False)
    assert opened_steps(can_train=False, training=False, has_result=True) == {Step.STACK, Step.LOOK, Step.EXPORT}


def test_a_bar_tells_which_step_is_wanted_and_lets_only_open_ones_be_chosen(qtbot):
    bar, wanted = StepBar(OF_SLICES.tips, names=OF_SLICES.names, guide="faq.md"), []
    qtbot.addWidget(bar)
    bar.wanted.connect(wanted.append)
    bar.show_next("Next.", opened={Step.STACK, Step.LOOK})
    for step in (Step.EXPORT, Step.LOOK):
        bar.buttons[step].click()
    assert wanted == [Step.LOOK]
    assert bar.buttons[Step.STACK].text() == "Stacks"


@pytest.mark.parametrize(
    ("at", "marked"),
    [(Step.STACK, Step.TRAIN), (Step.LOOK, Step.TRAIN), (Step.TRY, Step.TRY), (Step.TRAIN, Step.TRAIN)],
)
def test_a_training_that_begins_is_at_its_step(qtbot, at, marked):
    bar = StepBar(OF_SLICES.tips, names=OF_SLICES.names, guide="faq.md")
    qtbot.addWidget(bar)
    bar.show_step(at)
    bar.show_training()
    assert bar.step is marked
