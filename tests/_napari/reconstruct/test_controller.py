import threading
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication, QMessageBox

from napari_emgauss._napari.reconstruct.widget import ReconstructWidget
from napari_emgauss._napari.viewer.isotropic import isotropic_layer_of
from napari_emgauss._napari.viewer.layers import camera_of
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss._napari.viewer.regions import IN_VIEW
from napari_emgauss.methods.emgauss.study import examination
from napari_emgauss.methods.registry import load
from napari_emgauss.training import Control

WAIT_MS = 180_000


def test_a_training_gives_a_model_with_its_place_and_stack(widget, training, viewer, stack_layer, qtbot):
    widget.view.panel.train_button.click()
    assert not widget.view.panel.train_button.isVisibleTo(widget)
    training.wait_until_finished()
    (model,) = open_models(viewer)
    assert model.name == "stack · balanced"
    assert model.source_layer is stack_layer
    assert model.reconstruction.voxel_size_nm == pytest.approx((48, 8, 8))
    assert model.reconstruction.origin_nm == pytest.approx((500, 1250, -750))
    assert model.placement.units == ("micrometer",) * 3
    assert widget.view.panel.train_button.isVisibleTo(widget)
    assert "Done" in widget.view.panel.status.text()
    assert widget.view.next_steps.isVisibleTo(widget)


def test_the_isotropic_layer_is_the_model_s_when_others_hear_of_it(widget, training, viewer):
    heard = []
    models = open_models(viewer)
    models.added.connect(lambda model: heard.append(isotropic_layer_of(viewer, model.reconstruction)))
    widget.controller.train()
    training.wait_until_finished()
    assert not list(models)[-1].is_draft
    assert heard[-1] is not None
    assert heard[-1] in viewer.layers


def test_pause_holds_and_resume_goes_on(widget, training, qtbot, monkeypatch):
    held, wait = threading.Event(), Control.wait_while_paused

    def tell_and_wait(control):
        if control.paused:
            held.set()
        wait(control)

    monkeypatch.setattr(Control, "wait_while_paused", tell_and_wait)
    training.make_long()
    widget.controller.train()
    training.wait_until_begun()
    widget.view.panel.pause_button.click()
    qtbot.waitUntil(held.is_set, timeout=WAIT_MS)
    held_at = widget.controller.run.session.status.progress.iteration
    qtbot.wait(300)
    assert widget.controller.run.session.status.progress.iteration == held_at
    assert widget.view.panel.pause_button.text() == "Resume"
    widget.view.panel.pause_button.click()
    qtbot.waitUntil(lambda: widget.controller.run.session.status.progress.iteration > held_at, timeout=WAIT_MS)
    widget.view.panel.discard_button.click()
    training.wait_until_finished()


def test_stop_keeps_and_discard_does_not(widget, training, viewer, qtbot):
    training.make_long()
    widget.controller.train()
    training.wait_until_begun()
    widget.view.panel.discard_button.click()
    training.wait_until_finished()
    assert len(open_models(viewer)) == 0
    assert widget.view.panel.status.text() == "Nothing was kept."
    widget.controller.train()
    training.wait_until_begun()
    widget.view.panel.stop_button.click()
    training.wait_until_finished()
    assert len(open_models(viewer)) == 1
    assert "stopped early" in widget.view.panel.status.text()


def test_what_was_announced_is_counted_down_although_the_layer_takes_its_voxel_size_over(widget, training, qtbot):
    training.make_long()
    widget.view.stack.voxel[0].setValue(60)
    widget.controller._costs.found = SimpleNamespace(seconds_left=lambda progress, spent_s: 42.0)
    widget.controller.train()
    qtbot.waitUntil(lambda: "about 42 s left" in widget.view.panel.status.text(), timeout=WAIT_MS)
    widget.view.panel.discard_button.click()
    training.wait_until_finished()


def test_deleting_the_layer_ends_the_training_and_keeps_its_model(widget, training, viewer, stack_layer, qtbot, told):
    training.make_long()
    widget.controller.train()
    training.wait_until_begun()
    viewer.layers.remove(stack_layer)
    training.wait_until_finished()
    assert len(open_models(viewer)) == 1
    assert any("kept as a model" in message for message in told())


def test_running_out_of_memory_is_told_and_the_widget_goes_on(widget, training, viewer, qtbot, told, monkeypatch):
    from napari_emgauss.training import BlockTrainer

    def no_memory(self):
        raise MemoryError("unable to allocate 40 GiB")

    with monkeypatch.context() as patch:
        patch.setattr(BlockTrainer, "step", no_memory)
        widget.controller.train()
        training.wait_until_finished()
    assert any("ut of memory" in message and "'Tile size' under Advanced" in message for message in told())
    assert "'Tile size' under Advanced" in widget.view.panel.status.text()
    assert len(open_models(viewer)) == 0
    widget.controller.train()
    training.wait_until_finished()
    assert len(open_models(viewer)) == 1


def test_asking_for_cuda_where_there_is_none_is_explained(widget, training, qtbot, told):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    widget.view.settings.device.setCurrentText("GPU (CUDA)")
    qtbot.waitUntil(lambda: "CUDA" in widget.view.costs.text(), timeout=WAIT_MS)
    assert not widget.view.panel.train_button.isEnabled()
    widget.controller.train()
    training.wait_until_finished()
    assert any("finds no CUDA device" in message for message in told())


def test_held_out_sections_draw_a_curve_beside_plain_interpolation(widget, training, viewer, qtbot):
    widget.view.stack.hold_out_choice.setCurrentText("Every 4th section")
    assert widget.controller.stack.hold_out == (2,)
    training.set("newton_steps", 6)
    widget.controller.train()
    training.wait_until_finished()
    qtbot.waitUntil(lambda: bool(widget.view.panel.curves._plain), timeout=WAIT_MS)
    (model,) = open_models(viewer)
    assert model.reconstruction.held_out == (2,)
    assert widget.view.panel.curves._scores
    levels = {name: line.value() for name, line in widget.view.panel.curves._plain.items()}
    assert 5 < levels["linear"] <= max(levels.values()) < 60


def test_training_goes_on_from_a_model(widget, training, viewer, stack, qtbot):
    widget.controller.train()
    training.wait_until_finished()
    (first,) = open_models(viewer)
    widget.view.start_from.setCurrentIndex(1)
    assert not widget.view.settings.preset.isEnabled()
    widget.controller.train()
    training.wait_until_finished()
    second = list(open_models(viewer))[1]
    assert second.name == "stack · balanced [2]"
    assert second.reconstruction.record["times_continued"] == 1

    def loss(model):
        return np.mean([np.abs(model.reconstruction.render(i) - stack.section(i)).mean() for i in range(5)])

    assert loss(second) < loss(first)


def test_a_model_is_saved_opened_and_gone_on_with(widget, training, viewer, qtbot, tmp_path):
    widget.controller.train()
    training.wait_until_finished()
    (first,) = open_models(viewer)
    path = tmp_path / "model.emgauss"
    widget.controller.actions.save(path, *open_models(viewer))
    qtbot.waitUntil(path.exists, timeout=WAIT_MS)
    again = open_models(viewer).add(OpenModel("again", load(path), first.placement))
    widget.view.start_from.setCurrentIndex(widget.view.start_from.findData(again))
    widget.controller.train()
    training.wait_until_finished()
    assert list(open_models(viewer))[-1].reconstruction.record["times_continued"] == 1


def test_a_model_of_another_stack_is_refused_in_plain_words(widget, training, viewer, trained, qtbot, told):
    other = viewer.add_image(np.zeros((3, 20, 20), np.uint8), name="other", scale=(4, 1, 1), units=("nm",) * 3)
    model = open_models(viewer).add(OpenModel("foreign", trained))
    widget.view.stack.layers.choose(other)
    widget.view.start_from.setCurrentIndex(widget.view.start_from.findData(model))
    widget.controller.train()
    training.wait_until_finished()
    assert any("Train a new model" in message for message in told())


def test_choices_are_remembered(widget, training, viewer, qtbot):
    widget.view.settings.preset.setCurrentText("fast")
    widget.view.settings.device.setCurrentText("CPU")
    training.set("newton_steps", 2)
    widget.controller.train()
    training.wait_until_finished()
    again = ReconstructWidget(viewer)
    qtbot.addWidget(again)
    assert (again.view.settings.preset.currentText(), again.view.settings.device.currentText()) == ("fast", "CPU")
    assert again.view.settings.arguments() == {"preset": "fast", "device": "cpu"}


def test_a_half_done_training_is_gone_on_with(widget, training, viewer, qtbot, own_folders):
    training.set("newton_steps", 60)
    widget.controller.train()
    training.wait_until_begun()
    run = widget.controller.run
    run.close()  # as when the viewer closes
    reached = run.session.status.progress.iteration
    widget.controller.run = None
    widget.controller._show_running(running=False)
    widget.controller.train()
    training.wait_until_begun()
    assert widget.controller.run.session.resumed
    assert widget.view.panel.bar.value() >= reached
    training.wait_until_finished()
    assert not list((own_folders / "cache").rglob("*.safetensors"))


def test_the_part_in_view_is_trained_as_announced_although_the_voxel_size_moves_the_layer(widget, viewer, stack_layer):
    viewer.layers.remove(stack_layer)
    viewer.add_image(np.zeros((40, 300, 300), np.uint8), name="another")
    pixels = viewer.add_image(np.random.default_rng(0).integers(0, 255, (5, 90, 80), np.uint8), name="pixels")
    view = widget.view.stack
    view.layers.choose(pixels)
    camera_of(viewer).center, camera_of(viewer).zoom = (0, 40, 40), 12
    for box, value in zip(view.voxel, (48, 8, 8), strict=True):
        box.setValue(value)
    view.part.choose(IN_VIEW)
    announced = widget.controller.stack.volume()
    assert announced.shape[1] < 90
    widget.controller.train()
    assert widget.controller.run.stack.volume.shape == announced.shape
    assert widget.controller.run.stack.volume.origin_nm == announced.origin_nm
    assert tuple(pixels.scale) == (48, 8, 8)
    widget.controller.discard()


def test_what_has_learned_nothing_is_no_model(widget, training, viewer, qtbot, monkeypatch):
    begun, let_go = threading.Event(), threading.Event()

    def wait(volume, config, watch):
        begun.set()
        let_go.wait(60)
        return {}

    monkeypatch.setattr(examination, "find", wait)
    widget.controller.train()
    qtbot.waitUntil(begun.is_set, timeout=WAIT_MS)
    for _ in range(2):
        widget.view.panel.stop_button.click()
    let_go.set()
    training.wait_until_finished()
    assert len(open_models(viewer)) == 0
    assert widget.view.panel.status.text() == "Nothing was kept."


def test_a_person_who_closes_the_dock_during_a_training_is_asked(widget, training, viewer, qtbot, monkeypatch):
    answers, asked = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes], []
    monkeypatch.setattr(QMessageBox, "question", lambda *about: asked.append(about[2]) or answers.pop(0))
    training.make_long()
    widget.controller.train()
    (dock,) = viewer.window._wrapped_dock_widgets.values()
    dock.title.close_button.click()
    assert widget.controller.run is not None
    assert viewer.window._wrapped_dock_widgets
    with qtbot.waitSignal(widget.destroyed, timeout=WAIT_MS):
        dock.title.close_button.click()
    assert "The training of 'stack' has not ended." in asked[0]
    assert len(asked) == 2


def test_a_person_who_closes_the_window_during_a_training_is_asked(widget, training, viewer, monkeypatch):
    asked = []
    monkeypatch.setattr(QMessageBox, "question", lambda *about: asked.append(about) or QMessageBox.StandardButton.No)
    training.make_long()
    widget.controller.train()
    window = viewer.window._qt_window
    event = QCloseEvent()
    with monkeypatch.context() as patch:  # napari asks too where it is a person who closes the window
        patch.setattr(QCloseEvent, "spontaneous", lambda event: True)
        QApplication.sendEvent(window, event)
    assert not event.isAccepted()
    assert len(asked) == 1
    widget.controller.discard()
    training.wait_until_finished()
