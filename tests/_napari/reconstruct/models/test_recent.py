import time
from pathlib import Path

import pytest
from qtpy.QtWidgets import QInputDialog

from napari_emgauss._napari.reconstruct.models.recent import _saved_when
from napari_emgauss._napari.reconstruct.models.saved import SavedModel
from napari_emgauss._napari.viewer.models import OpenModel, open_models

WAIT_MS = 180_000


@pytest.fixture
def kept(widget, viewer, trained, qtbot):
    """A model that was trained and saved by itself."""
    model = open_models(viewer).add(OpenModel("stack · fast", trained))
    widget.controller.recent.keep(model)
    qtbot.waitUntil(lambda: model.path is not None, timeout=WAIT_MS)
    return model


def lines(widget):
    entries = widget.view.models.entries
    return [entries.item(i).text().split("  —  ")[0] for i in range(entries.count())]


def test_a_training_s_model_is_saved_by_itself_and_found_after_it_was_closed(widget, training, viewer, qtbot):
    panel = widget.view.models
    assert not panel.isVisibleTo(widget)
    widget.controller.train()
    training.wait_until_finished()
    (model,) = open_models(viewer)
    qtbot.waitUntil(lambda: model.path is not None, timeout=WAIT_MS)
    assert "kept under 'Recent models'" in widget.view.panel.status.text()
    panel.close_button.click()
    assert len(open_models(viewer)) == 0
    assert lines(widget) == ["stack · balanced"]
    panel.open_button.click()
    qtbot.waitUntil(lambda: len(open_models(viewer)) == 1, timeout=WAIT_MS)
    (again,) = open_models(viewer)
    assert again.reconstruction.n_gaussians == model.reconstruction.n_gaussians
    assert again.source_layer is model.source_layer
    assert again.placement == model.placement
    assert viewer.layers[-1].data.reconstruction is again.reconstruction


def test_a_model_is_renamed_while_it_is_open_and_keeps_its_name(kept, widget, viewer, monkeypatch):
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("synapse 3", True))
    widget.view.models.rename_button.click()
    assert kept.name == "synapse 3"
    assert widget.view.start_from.itemText(1) == "Go on with synapse 3"
    widget.view.models.close_button.click()
    assert lines(widget) == ["synapse 3"]


def test_a_model_is_deleted_only_when_it_is_closed_and_that_is_agreed_to(kept, widget, monkeypatch):
    panel, path = widget.view.models, kept.path
    assert not panel.delete_button.isEnabled()
    panel.close_button.click()
    monkeypatch.setattr(panel, "agrees", lambda question: False)
    panel.delete_button.click()
    assert path.exists()
    monkeypatch.setattr(panel, "agrees", lambda question: True)
    panel.delete_button.click()
    assert not path.exists()
    assert lines(widget) == []


def test_a_model_that_could_not_be_saved_is_told_and_not_closed_without_a_question(
    widget, viewer, trained, qtbot, told, own_folders, monkeypatch
):
    (own_folders / "data").write_text("no folder")
    model = open_models(viewer).add(OpenModel("stack · fast", trained))
    widget.controller.recent.keep(model)
    qtbot.waitUntil(lambda: any("could not be saved by itself" in text for text in told()), timeout=WAIT_MS)
    monkeypatch.setattr(widget.view.models, "agrees", lambda question: "saved nowhere" not in question)
    widget.view.models.close_button.click()
    assert list(open_models(viewer)) == [model]


def test_the_list_has_the_time_of_this_year_s_models_and_the_year_of_others():
    now = time.time()
    new, old = (SavedModel(Path("a.emgauss"), "a", when, 1) for when in (now, now - 400 * 86400))
    assert _saved_when(new) == time.strftime("%d %b, %H:%M", time.localtime(now))
    assert _saved_when(old) == time.strftime("%d %b %Y", time.localtime(old.saved_at))
