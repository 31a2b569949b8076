"""What docks of all steps share, on a dock that reads for ever and trains on nothing."""

from types import SimpleNamespace

import pytest
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QWidget

from napari_emgauss._napari.svr.view import STEPS
from napari_emgauss._napari.training.run_panel import RunPanel
from napari_emgauss._napari.training.steps import Step, StepBar
from napari_emgauss._napari.training.steps_controller import LayersRun, StepsController
from napari_emgauss._napari.training.steps_view import StepsView
from napari_emgauss.session import Session
from napari_emgauss.training import Finished, FinishReason


class Choice(QWidget):
    changed = Signal()
    taken = None

    def take(self, *, coarse):
        self.taken = coarse


class ToyView(StepsView):
    def __init__(self):
        super().__init__(StepBar(STEPS.tips, names=STEPS.names, guide="faq.md"), RunPanel())
        self.settings, self.result = Choice(), QLabel("result")
        self.result.setMinimumHeight(900)
        self.lay_out(
            self.settings,
            self.panel,
            self.result,
            parts={step: self.result if step is Step.LOOK else self.settings for step in Step},
            editable=(self.settings,),
        )


class Toy(StepsController):
    found_again = "and is found again."
    drawing = "Drawing…"
    busy = has_result = False

    def __init__(self, view, viewer):
        super().__init__(view, viewer, STEPS)
        self.ended, self.added = 0, []
        self.view.panel.train_button.setEnabled(True)

    def train(self):
        self._show_running()

    def _on_edited(self):
        self._tell()

    def _remove_live(self):
        self.ended += 1

    def _add_result(self, model, run, drawn):
        self.added.append(model)
        drawn()


@pytest.fixture
def toy(qtbot, viewer):
    view = ToyView()
    qtbot.addWidget(view)
    view.show()
    return Toy(view, viewer)


@pytest.fixture
def run(toy):
    """A training that runs until its end is told; the session itself never starts."""
    toy.view.panel.train_button.click()
    layer = toy._viewer.add_points([[0, 0]], name="seen")
    training = SimpleNamespace(session=Session(None), close=lambda: None)
    toy.run = LayersRun(training, None, [layer], "Toy")
    return toy.run


def end(reason):
    return Finished(reason=reason, iteration=1, seconds=2.0, message="")


@pytest.mark.parametrize(("way", "said"), [("stop", "Stopped before it began."), ("discard", "Discarded.")])
def test_what_ends_before_a_training_has_begun_leaves_the_form_as_it_was(toy, way, said):
    toy.view.panel.train_button.click()
    assert not toy.view.settings.isEnabled()
    assert toy.view.bar.step is Step.TRAIN
    getattr(toy, way)()
    assert toy.view.panel.status.text() == said
    assert toy.view.settings.isEnabled()
    assert toy.ended == 1


def test_a_step_scrolls_to_its_part_and_begins_with_its_setting(toy, qtbot):
    bar = toy.view._scroll.verticalScrollBar()
    toy.go_to(Step.TRY)
    assert toy.view.settings.taken is True
    at_the_top = bar.value()
    toy.go_to(Step.TRAIN)
    assert toy.view.settings.taken is False
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    toy.go_to(Step.LOOK)
    assert bar.value() > at_the_top


def test_a_training_ends_with_the_layer_that_it_learns_from(toy, run, viewer):
    other = viewer.add_points([[0, 0]], name="unseen")
    viewer.layers.remove(other)
    assert not run.training.session.control.stopped
    viewer.layers.remove(run.layers[0])
    assert run.training.session.control.stopped


def test_what_was_learned_is_drawn_and_what_was_discarded_is_not(toy, run):
    run.training.session._result = "model"
    toy._on_finished(end(FinishReason.STOPPED))
    assert toy.added == ["model"]
    assert toy.view.panel.status.text() == "Done (stopped early) in 2 s."
    toy.run = run
    toy.discard()
    toy._on_finished(end(FinishReason.STOPPED))
    assert toy.added == ["model"]
    assert toy.view.panel.status.text() == "Discarded."


def test_a_training_that_failed_says_why(toy, run):
    run.training.session._error = MemoryError("too large")
    toy._on_finished(end(FinishReason.FAILED))
    assert not toy.added
    assert "too large" in toy.view.panel.status.text()
    assert toy.run is None
