from qtpy.QtWidgets import QApplication, QFileDialog, QMenu, QMessageBox

from napari_emgauss._napari.reconstruct.models.next_steps import NextSteps
from napari_emgauss._napari.reconstruct.widget import ReconstructWidget
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss.methods.registry import load

WAIT_MS = 180_000


def test_a_model_can_be_saved_until_it_is_closed(widget, training, viewer, qtbot):
    assert not widget.view.next_steps.isVisibleTo(widget)
    widget.controller.train()
    training.wait_until_finished()
    training.make_long()
    widget.controller.train()
    widget.view.panel.discard_button.click()
    training.wait_until_finished()
    assert widget.view.next_steps.isVisibleTo(widget)
    assert widget.view.next_steps.save_button.isEnabled()
    another = ReconstructWidget(viewer)
    qtbot.addWidget(another)
    assert not any(isinstance(window, NextSteps) for window in QApplication.topLevelWidgets())
    assert another.view.next_steps.isVisibleTo(another)
    (model,) = open_models(viewer)
    open_models(viewer).remove(model)
    assert not widget.view.next_steps.isVisibleTo(widget)


def test_a_model_file_is_replaced_only_when_that_is_wanted(widget, viewer, trained, qtbot, monkeypatch, tmp_path):
    model = open_models(viewer).add(OpenModel("stack · fast", trained))
    path = tmp_path / "a.emgauss"
    path.write_bytes(b"precious")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "a"), ""))
    for button in (QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes):
        assert path.read_bytes() == b"precious"
        monkeypatch.setattr(QMessageBox, "question", lambda *_, button=button: button)
        widget.view.next_steps.save_button.click()
    qtbot.waitUntil(lambda: path.read_bytes() != b"precious", timeout=WAIT_MS)
    assert load(path).n_gaussians == model.reconstruction.n_gaussians


def test_of_several_models_one_is_chosen_to_be_saved(widget, viewer, trained, qtbot, monkeypatch, tmp_path):
    for name in ("old", "new"):
        open_models(viewer).add(OpenModel(name, trained))
    saved = []
    monkeypatch.setattr(widget.controller.actions, "ask_and_save", lambda model: saved.append(model.name))
    widget.view.next_steps.save_button.click()
    (menu,) = widget.view.next_steps.findChildren(QMenu)
    assert [action.text() for action in menu.actions()] == ["new", "old"]
    menu.actions()[1].trigger()
    assert saved == ["old"]
    menu.close()
