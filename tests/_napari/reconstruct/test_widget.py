import threading

import numpy as np
import pytest
from napari.utils import progress
from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QApplication, QFileDialog, QMenu, QMessageBox

from napari_emgauss._napari.reconstruct import widget as module
from napari_emgauss._napari.reconstruct.next_steps import NextSteps
from napari_emgauss._napari.reconstruct.training import PREVIEW_NAME
from napari_emgauss._napari.reconstruct.widget import ReconstructWidget
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss.methods.emgauss import PRESETS, load

WAIT_MS = 60_000


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Settings and half-done trainings of the tests stay in their folder."""
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    monkeypatch.setattr(module.platformdirs, "user_cache_path", lambda name: tmp_path / "cache")
    return tmp_path


@pytest.fixture
def told(monkeypatch):
    """Notifications shown so far."""
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()
    return lambda: [record.message for record in notification_manager.records]


@pytest.fixture
def widget(viewer, stack_layer, monkeypatch):
    monkeypatch.setitem(PRESETS, "balanced", {**PRESETS["balanced"], "joint": 6, "bootstrap": 4})
    widget = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Reconstruct")
    widget.settings._fields["teacher"].setChecked(False)
    return widget


def set_field(widget, name, value):
    widget.settings._fields[name].setValue(value)


def long_training(widget):
    set_field(widget, "joint", 100_000)


def finished(widget, qtbot):
    qtbot.waitUntil(lambda: widget.run is None, timeout=WAIT_MS)


def begun(widget, qtbot):
    qtbot.waitUntil(lambda: widget.panel.bar.value() > 0, timeout=WAIT_MS)


def test_a_training_gives_a_model_with_its_place_and_stack(widget, viewer, stack_layer, qtbot):
    widget.panel.train_button.click()
    assert not widget.panel.train_button.isVisibleTo(widget)
    finished(widget, qtbot)
    (model,) = open_models(viewer)
    assert model.name == "stack · balanced"
    assert model.source_layer is stack_layer
    assert model.reconstruction.voxel_size_nm == pytest.approx((48, 8, 8))
    assert model.reconstruction.origin_nm == pytest.approx((500, 1250, -750))
    assert model.placement.units == ("micrometer",) * 3
    assert widget.panel.train_button.isVisibleTo(widget)
    assert "Done" in widget.panel.status.text()
    assert widget.next_steps.isVisibleTo(widget)


def test_pause_holds_and_resume_goes_on(widget, qtbot):
    long_training(widget)
    widget.train()
    begun(widget, qtbot)
    widget.panel.pause_button.click()
    qtbot.wait(300)
    held_at = widget.run.session.status.progress.iteration
    qtbot.wait(300)
    assert widget.run.session.status.progress.iteration == held_at
    assert widget.panel.pause_button.text() == "Resume"
    widget.panel.pause_button.click()
    qtbot.waitUntil(lambda: widget.run.session.status.progress.iteration > held_at, timeout=WAIT_MS)
    widget.panel.discard_button.click()
    finished(widget, qtbot)


def test_stop_keeps_and_discard_does_not(widget, viewer, qtbot):
    long_training(widget)
    widget.train()
    begun(widget, qtbot)
    widget.panel.discard_button.click()
    finished(widget, qtbot)
    assert len(open_models(viewer)) == 0
    assert widget.panel.status.text() == "Discarded."
    widget.train()
    begun(widget, qtbot)
    widget.panel.stop_button.click()
    finished(widget, qtbot)
    assert len(open_models(viewer)) == 1
    assert "stopped early" in widget.panel.status.text()


def test_the_preview_disturbs_neither_selection_nor_contrast_and_goes_away(
    widget, viewer, stack_layer, qtbot, monkeypatch
):
    monkeypatch.setattr(module, "PREVIEW_EVERY_S", 0.01)
    viewer.layers.selection = {stack_layer}
    viewer.dims.set_point(0, stack_layer.data_to_world((3, 0, 0))[0])
    long_training(widget)
    widget.train()
    qtbot.waitUntil(lambda: PREVIEW_NAME in viewer.layers, timeout=WAIT_MS)
    preview = viewer.layers[PREVIEW_NAME]
    assert set(viewer.layers.selection) == {stack_layer}
    assert preview.contrast_limits == stack_layer.contrast_limits
    preview.contrast_limits = (10, 90)
    first = preview.data
    qtbot.waitUntil(lambda: preview.data is not first, timeout=WAIT_MS)
    assert preview.contrast_limits == [10, 90]
    assert preview.data_to_world((0, 0, 0))[1:] == pytest.approx(stack_layer.data_to_world((0, 0, 0))[1:])
    between = stack_layer.world_to_data(preview.data_to_world((0, 0, 0)))[0]
    assert between == pytest.approx(3.5)
    widget.panel.stop_button.click()
    finished(widget, qtbot)
    assert PREVIEW_NAME not in viewer.layers


def test_a_preview_that_is_deleted_stays_away(widget, viewer, qtbot, monkeypatch):
    monkeypatch.setattr(module, "PREVIEW_EVERY_S", 0.01)
    long_training(widget)
    widget.train()
    qtbot.waitUntil(lambda: PREVIEW_NAME in viewer.layers, timeout=WAIT_MS)
    viewer.layers.remove(PREVIEW_NAME)
    qtbot.wait(400)
    assert PREVIEW_NAME not in viewer.layers
    widget.panel.discard_button.click()
    finished(widget, qtbot)


def test_deleting_the_layer_ends_the_training_and_keeps_its_model(widget, viewer, stack_layer, qtbot, told):
    long_training(widget)
    widget.train()
    begun(widget, qtbot)
    viewer.layers.remove(stack_layer)
    finished(widget, qtbot)
    assert len(open_models(viewer)) == 1
    assert any("kept as a model" in message for message in told())


def test_closing_the_viewer_while_training_leaves_a_checkpoint_and_no_thread(widget, viewer, qtbot, own_folders):
    long_training(widget)
    widget.train()
    begun(widget, qtbot)
    viewer.close()
    qtbot.waitUntil(lambda: not any(t.name == "emgauss-training" for t in threading.enumerate()), timeout=WAIT_MS)
    assert list((own_folders / "cache").rglob("current.safetensors"))


def test_a_half_done_training_is_gone_on_with(widget, viewer, qtbot, own_folders):
    set_field(widget, "joint", 400)
    widget.train()
    begun(widget, qtbot)
    run = widget.run
    run.close()  # as when the viewer closes
    reached = run.session.status.progress.iteration
    widget.run = None
    widget._set_editable(editable=True)
    widget.train()
    begun(widget, qtbot)
    assert widget.run.session.resumed
    assert widget.panel.bar.value() >= reached
    finished(widget, qtbot)
    assert not list((own_folders / "cache").rglob("*.safetensors"))


def test_closing_the_dock_while_training_leaves_nothing(viewer, stack_layer, qtbot):
    widget = ReconstructWidget(viewer)
    dock = viewer.window.add_dock_widget(widget, name="Reconstruct")
    long_training(widget)
    widget.train()
    begun(widget, qtbot)
    qtbot.waitUntil(lambda: PREVIEW_NAME in viewer.layers, timeout=WAIT_MS)
    dock.destroyOnClose()  # what its × does
    qtbot.waitUntil(lambda: not any(t.name == "emgauss-training" for t in threading.enumerate()), timeout=WAIT_MS)
    viewer.add_image(np.zeros((3, 20, 20)))
    assert PREVIEW_NAME not in viewer.layers
    assert not progress._all_instances


def test_running_out_of_memory_is_told_and_the_widget_goes_on(widget, viewer, qtbot, told, monkeypatch):
    import napari_emgauss.training.loop as loop

    def no_memory(self):
        raise MemoryError("unable to allocate 40 GiB")

    with monkeypatch.context() as patch:
        patch.setattr(loop.BlockTrainer, "step", no_memory)
        widget.train()
        finished(widget, qtbot)
    assert any("ut of memory" in message and "tile_px" in message for message in told())
    assert "tile_px" in widget.panel.status.text()
    assert len(open_models(viewer)) == 0
    widget.train()
    finished(widget, qtbot)
    assert len(open_models(viewer)) == 1


def test_asking_for_cuda_where_there_is_none_is_explained(widget, qtbot, told):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    widget.settings.device.setCurrentText("GPU (CUDA)")
    qtbot.waitUntil(lambda: "CUDA" in widget.costs.text(), timeout=WAIT_MS)
    widget.train()
    finished(widget, qtbot)
    assert any("finds no CUDA device" in message for message in told())


@pytest.mark.parametrize("studies", [False, True])
def test_time_and_memory_are_estimated_on_this_machine(widget, qtbot, studies):
    widget.settings._fields["teacher"].setChecked(studies)
    qtbot.waitUntil(lambda: "by a short trial" in widget.costs.text(), timeout=WAIT_MS)
    assert widget.costs.text().startswith("About ")


def test_held_out_sections_draw_a_curve_beside_plain_interpolation(widget, viewer, qtbot):
    widget.stack.hold_out_choice.setCurrentText("Every 4th section")
    assert widget.stack.hold_out == (2,)
    set_field(widget, "joint", 60)
    widget.train()
    finished(widget, qtbot)
    qtbot.waitUntil(lambda: widget.panel.curves._plain is not None, timeout=WAIT_MS)
    (model,) = open_models(viewer)
    assert model.reconstruction.config.sections.hold_out == (2,)
    assert widget.panel.curves._scores
    level = widget.panel.curves._plain.value()
    assert 5 < level < 60


def test_training_goes_on_from_a_model(widget, viewer, stack, qtbot):
    widget.train()
    finished(widget, qtbot)
    (first,) = open_models(viewer)
    widget.start_from.setCurrentIndex(1)
    assert not widget.settings.preset.isEnabled()
    widget.train()
    finished(widget, qtbot)
    second = list(open_models(viewer))[1]
    assert second.name == "stack · balanced [2]"
    assert second.reconstruction.record["times_continued"] == 1

    def loss(model):
        return np.mean([np.abs(model.reconstruction.render(i) - stack.section(i)).mean() for i in range(5)])

    assert loss(second) < loss(first)


def test_a_model_is_saved_opened_and_gone_on_with(widget, viewer, qtbot, tmp_path):
    widget.train()
    finished(widget, qtbot)
    (first,) = open_models(viewer)
    path = tmp_path / "model.emgauss"
    widget.next_steps.save(path, *widget._models)
    qtbot.waitUntil(path.exists, timeout=WAIT_MS)
    again = open_models(viewer).add(OpenModel("again", load(path), first.placement))
    widget.start_from.setCurrentIndex(widget.start_from.findData(again))
    widget.train()
    finished(widget, qtbot)
    assert list(open_models(viewer))[-1].reconstruction.record["times_continued"] == 1


def test_a_model_of_another_stack_is_refused_in_plain_words(widget, viewer, trained, qtbot, told):
    other = viewer.add_image(np.zeros((3, 20, 20), np.uint8), name="other", scale=(4, 1, 1), units=("nm",) * 3)
    model = open_models(viewer).add(OpenModel("foreign", trained))
    widget.stack.choose(other)
    widget.start_from.setCurrentIndex(widget.start_from.findData(model))
    widget.train()
    finished(widget, qtbot)
    assert any("Train a new model" in message for message in told())


def test_choices_are_remembered(widget, viewer, qtbot):
    widget.settings.preset.setCurrentText("fast")
    widget.settings.device.setCurrentText("CPU")
    set_field(widget, "joint", 2)
    widget.train()
    finished(widget, qtbot)
    again = ReconstructWidget(viewer)
    qtbot.addWidget(again)
    assert (again.settings.preset.currentText(), again.settings.device.currentText()) == ("fast", "CPU")
    assert again.settings.arguments() == {"preset": "fast", "device": "cpu"}


def test_an_impossible_setting_is_explained_before_training(widget, qtbot):
    set_field(widget, "tile_px", 3)
    qtbot.waitUntil(lambda: "tile_px must be" in widget.costs.text().lower(), timeout=WAIT_MS)


def test_a_model_can_be_saved_until_it_is_closed(widget, viewer, qtbot):
    assert not widget.next_steps.isVisibleTo(widget)
    widget.train()
    finished(widget, qtbot)
    long_training(widget)
    widget.train()
    assert not widget.next_steps.isVisibleTo(widget)
    widget.panel.discard_button.click()
    finished(widget, qtbot)
    assert widget.next_steps.isVisibleTo(widget)
    another = ReconstructWidget(viewer)
    qtbot.addWidget(another)
    assert not any(isinstance(window, NextSteps) for window in QApplication.topLevelWidgets())
    assert another.next_steps.isVisibleTo(another)
    (model,) = open_models(viewer)
    open_models(viewer).remove(model)
    assert not widget.next_steps.isVisibleTo(widget)


def test_a_model_file_is_replaced_only_when_that_is_wanted(widget, viewer, trained, qtbot, monkeypatch, tmp_path):
    model = open_models(viewer).add(OpenModel("stack · fast", trained))
    path = tmp_path / "a.emgauss"
    path.write_bytes(b"precious")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "a"), ""))
    for button in (QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes):
        assert path.read_bytes() == b"precious"
        monkeypatch.setattr(QMessageBox, "question", lambda *_, button=button: button)
        widget.next_steps.save_button.click()
    qtbot.waitUntil(lambda: path.read_bytes() != b"precious", timeout=WAIT_MS)
    assert load(path).n_gaussians == model.reconstruction.n_gaussians


def test_of_several_models_one_is_chosen_to_be_saved(widget, viewer, trained, qtbot, monkeypatch, tmp_path):
    for name in ("old", "new"):
        open_models(viewer).add(OpenModel(name, trained))
    saved = []
    monkeypatch.setattr(widget.next_steps, "ask_and_save", lambda model: saved.append(model.name))
    widget.next_steps.save_button.click()
    (menu,) = widget.next_steps.findChildren(QMenu)
    assert [action.text() for action in menu.actions()] == ["new", "old"]
    menu.actions()[1].trigger()
    assert saved == ["old"]
    menu.close()
