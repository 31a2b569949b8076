import threading

import numpy as np
import pytest
from qtpy.QtWidgets import QMessageBox

from napari_emgauss._napari.svr.result.layer import PREVIEW_NAME
from napari_emgauss._napari.training.steps import Step
from napari_emgauss._napari.viewer.slice_results import model_of
from napari_emgauss._napari.viewer.space import LayerInSpace
from napari_emgauss.io.stacks import read_world_volume
from napari_emgauss.methods.registry import load

WAIT_MS = 180_000


def results(viewer):
    return [layer for layer in viewer.layers if model_of(layer) is not None]


def test_from_three_stacks_to_a_volume_in_its_place_and_to_files(widget, training, viewer, head, qtbot, own_folders):
    view, controller = widget.view, widget.controller
    assert view.panel.train_button.isEnabled()
    view.bar.buttons[Step.TRY].click()
    assert view.settings.voxel_size.value() == 2.0
    view.bar.buttons[Step.TRAIN].click()
    assert view.settings.voxel_size.value() == 1.0
    assert "Press Train" in view.bar.next.text()
    view.panel.train_button.click()
    assert not view.stacks.isEnabled()
    training.wait_until_idle()
    assert view.panel.status.text().startswith("Done in")
    assert view.bar.step is Step.LOOK
    assert all(button.isEnabled() for button in view.bar.buttons.values())
    (layer,) = results(viewer)
    assert PREVIEW_NAME not in viewer.layers
    centre = LayerInSpace.of(layer).affine @ (*(np.array(layer.data.shape) - 1) / 2, 1)
    assert np.allclose(centre[:3], head[0].mask_centre, atol=3)
    assert view.planes.titles == ["Axial", "Coronal", "Sagittal"]
    controller.result.export(own_folders / "volume.nii.gz")
    controller.result.save(own_folders / "model.emgauss")
    qtbot.waitUntil(lambda: not controller.result.busy, timeout=WAIT_MS)
    written = read_world_volume(own_folders / "volume.nii.gz")
    assert np.allclose(written.values, layer.data, atol=1e-3)
    assert np.allclose(written.affine, LayerInSpace.of(layer).affine, atol=1e-3)
    assert load(own_folders / "model.emgauss").fits(head)
    assert not list((own_folders / "cache").rglob("state"))


def test_the_masks_stay_as_they_were_chosen_while_layers_come(widget, training, viewer, qtbot):
    training.make_long()
    widget.controller.train()
    qtbot.waitUntil(lambda: PREVIEW_NAME in viewer.layers, timeout=WAIT_MS)
    assert [row.mask.currentText() for row in widget.view.stacks.rows.values()] == [
        "axial mask",
        "coronal mask",
        "sagittal mask",
    ]
    assert PREVIEW_NAME not in [layer.name for layer in widget.view.stacks.rows]
    widget.controller.discard()
    training.wait_until_idle()
    assert widget.view.panel.status.text() == "Discarded."
    assert PREVIEW_NAME not in viewer.layers
    assert not results(viewer)


def test_a_training_pauses_goes_on_and_keeps_what_it_learned_when_it_is_stopped(widget, training, viewer):
    training.make_long()
    widget.controller.train()
    training.wait_until_begun()
    widget.view.panel.pause_button.click()
    session = widget.controller.run.training.session
    assert session.control.paused
    widget.view.panel.pause_button.click()
    assert not session.control.paused
    widget.view.panel.stop_button.click()
    training.wait_until_idle()
    assert "stopped early" in widget.view.panel.status.text()
    assert len(results(viewer)) == 1


def test_removing_a_stack_while_training_keeps_what_was_learned(widget, training, viewer, told):
    training.make_long()
    widget.controller.train()
    training.wait_until_begun()
    viewer.layers.remove("coronal")
    training.wait_until_idle()
    assert len(results(viewer)) == 1
    assert any("coronal was removed" in message for message in told())


def test_removing_every_layer_while_training_leaves_no_thread_and_no_preview(widget, training, viewer, qtbot):
    training.make_long()
    widget.controller.train()
    qtbot.waitUntil(lambda: PREVIEW_NAME in viewer.layers, timeout=WAIT_MS)
    viewer.layers.clear()
    training.wait_until_idle()
    assert not any(thread.name == "emgauss-training" for thread in threading.enumerate())
    assert PREVIEW_NAME not in viewer.layers


def test_a_stop_while_slices_are_read_is_the_end(widget, viewer, monkeypatch, qtbot):
    let_go = threading.Event()
    read = LayerInSpace.stack
    monkeypatch.setattr(LayerInSpace, "stack", lambda self, thickness: (let_go.wait(60), read(self, thickness))[1])
    widget.controller.train()
    widget.controller.stop()
    let_go.set()
    qtbot.wait(100)
    assert widget.view.stacks.isEnabled()
    assert not any(thread.name == "emgauss-training" for thread in threading.enumerate())


def test_what_makes_no_volume_is_told_and_all_can_be_entered_again(widget, training, viewer, told):
    for row in list(widget.view.stacks.rows.values())[1:]:
        row.tick.setChecked(False)
    viewer.layers["axial mask"].data = np.zeros_like(viewer.layers["axial mask"].data)
    widget.controller.train()
    training.wait_until_idle()
    assert any("marks nothing" in message for message in told())
    assert widget.view.stacks.isEnabled()
    assert widget.view.panel.train_button.isVisibleTo(widget)


def test_an_error_of_the_method_is_told_and_all_can_be_entered_again(widget, training, told, monkeypatch):
    arguments = widget.view.settings.arguments
    monkeypatch.setattr(widget.view.settings, "arguments", lambda: {**arguments(), "voxel_size_mm": -1})
    widget.controller.train()
    training.wait_until_idle()
    assert any("must be within 0..100" in message for message in told())
    assert widget.view.stacks.isEnabled()


def test_nothing_can_be_trained_before_stacks_are_ticked(widget):
    for row in widget.view.stacks.rows.values():
        row.tick.setChecked(False)
    assert not widget.view.panel.train_button.isEnabled()
    assert widget.view.stacks.summary.text().startswith("Tick the stacks")


@pytest.mark.parametrize("close", ["viewer", "dock"])
def test_closing_while_training_leaves_a_checkpoint_and_no_thread(
    viewer, widget, training, qtbot, own_folders, close, monkeypatch
):
    training.make_long()
    widget.controller.train()
    training.wait_until_begun()
    if close == "viewer":
        viewer.close()
    else:
        monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
        widget.parent().destroyOnClose()  # what its × does
    qtbot.waitUntil(lambda: not any(t.name == "emgauss-training" for t in threading.enumerate()), timeout=WAIT_MS)
    assert list((own_folders / "cache").rglob("block-*/state"))


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_a_person_who_closes_the_dock_while_training_is_asked(widget, training, monkeypatch, answer):
    asked = []

    def question(parent, title, text, *buttons):
        asked.append(text)
        return QMessageBox.StandardButton[answer]

    monkeypatch.setattr(QMessageBox, "question", question)
    assert widget.controller.may_end()
    training.make_long()
    widget.controller.train()
    training.wait_until_begun()
    assert widget.controller.may_end() == (answer == "Yes")
    assert "Volume of 3 stacks" in asked[0]
    widget.controller.discard()
    training.wait_until_idle()
