"""A stack in training, used by every widget before there is a model."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_emgauss._napari.compare.widget import CompareWidget
from napari_emgauss._napari.explore.widget import ExploreWidget
from napari_emgauss._napari.export.widget import ExportWidget
from napari_emgauss._napari.reconstruct.widget import ReconstructWidget
from napari_emgauss._napari.viewer.models import open_models
from napari_emgauss._napari.viewer.virtual import VirtualVolume
from napari_emgauss.methods.emgauss.study import findings
from napari_emgauss.training import PlanePlacement, Preview

WAIT_MS = 180_000
ISOTROPIC = "stack · isotropic"


@pytest.fixture
def held(monkeypatch):
    """The study of the stack waits until it is let go."""
    release, study = threading.Event(), findings._teacher

    def wait(setup, watch, store):
        while not (release.is_set() or watch.stopped):
            release.wait(0.02)
        return study(setup, watch, store)

    monkeypatch.setattr(findings, "_teacher", wait)
    return release


@pytest.fixture
def widget(viewer, stack_layer):
    widget = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Reconstruct")
    widget.view.settings._fields["newton_steps"].setValue(2)
    return widget


@pytest.fixture
def draft(widget, held, viewer, stack_layer, qtbot):
    """The draft of a stack whose training has begun, looked at between sections 1 and 2."""
    viewer.dims.set_point(0, stack_layer.data_to_world((1, 0, 0))[0])
    widget.view.panel.train_button.click()
    qtbot.waitUntil(lambda: "draft: learned" in widget.view.panel.on_screen.text(), timeout=WAIT_MS)
    (model,) = open_models(viewer)
    return model


@pytest.fixture
def finish(widget, held, qtbot):
    def wait():
        held.set()
        qtbot.waitUntil(lambda: widget.controller.run is None, timeout=WAIT_MS)

    return wait


def test_its_isotropic_layer_is_there_at_once_where_nothing_was_cut_and_stays(
    draft, finish, widget, viewer, stack_layer, qtbot
):
    assert draft.name == "stack · draft"
    layer, rec = viewer.layers[ISOTROPIC], draft.reconstruction
    assert set(viewer.layers.selection) == {stack_layer}
    assert stack_layer.world_to_data(viewer.dims.point)[0] == pytest.approx(1.5)

    def shows(z):
        return np.allclose(layer._slice.image.raw.astype(float), rec.render(z), atol=1)

    qtbot.waitUntil(lambda: shows(1.5), timeout=WAIT_MS)
    viewer.dims.set_point(0, stack_layer.data_to_world((3, 0, 0))[0])
    qtbot.waitUntil(lambda: shows(3), timeout=WAIT_MS)
    assert stack_layer.world_to_data(viewer.dims.point)[0] == pytest.approx(3)
    assert widget.view.panel.on_screen.text() == "On screen · draft: learned interpolation"
    finish()
    assert ISOTROPIC in viewer.layers
    assert not widget.view.panel.on_screen.isVisibleTo(widget)


def test_what_is_being_learned_shows_where_one_looks_and_a_deleted_layer_stays_away(draft, finish, widget, viewer):
    layers, layer = widget.controller._layers, viewer.layers[ISOTROPIC]
    image, place = np.full((16, 8), 90, np.float32), PlanePlacement(origin=(1.5, 20.0, 30.0))
    part = Preview(image=image, placement=place, label="refining")
    layers.show(part)
    shown = layer._slice.image.raw
    assert (shown[20:36, 30:38] == 90).all()
    assert (shown != 90).any()
    assert "refining" in widget.view.panel.on_screen.text()
    layers.show(replace(part, placement=PlanePlacement(origin=(2.5, 20.0, 30.0))))  # looked at before
    assert (layer._slice.image.raw == shown).all()
    viewer.layers.remove(layer)
    layers.show(part)
    layers.improve()
    assert ISOTROPIC not in viewer.layers
    finish()
    assert ISOTROPIC not in viewer.layers


def test_it_is_scrubbed_seen_from_the_side_and_exported_until_its_model_takes_its_place(
    draft, finish, widget, viewer, qtbot, tmp_path
):
    explore, export = ExploreWidget(viewer), ExportWidget(viewer)
    for docked in (explore, export):
        viewer.window.add_dock_widget(docked)
    compare = CompareWidget(viewer)
    viewer.window.add_dock_widget(compare)
    assert (explore.controller.model, export.controller.model, compare.controller.model) == (draft, draft, None)
    assert not explore.view.uncertainty.isEnabled()
    explore.controller.go_to(2.4)
    qtbot.waitUntil(lambda: explore.controller.layer is not None and not explore.controller.busy, timeout=WAIT_MS)
    np.testing.assert_allclose(explore.controller.layer.data[0], draft.reconstruction.render(2.4), atol=1e-3)
    volume = explore.controller.show_volume()
    assert isinstance(volume.data, VirtualVolume)
    assert np.asarray(volume.data[:, 20]).shape == (25, 40)
    export.view.target_form.file_box.setChecked(True)
    export.view.target_form.path_edit.setText(str(tmp_path / "draft.ome.tif"))
    export.controller.start()
    qtbot.waitUntil(lambda: not export.controller.running, timeout=WAIT_MS)
    assert (tmp_path / "draft.ome.tif").exists()
    assert viewer.layers["stack · exported draft"].metadata["napari-emgauss"]["draft"]
    finish()
    (model,) = open_models(viewer)
    assert not model.is_draft
    assert (explore.controller.model, export.controller.model, compare.controller.model) == (model,) * 3
    assert volume.data.reconstruction is model.reconstruction
    qtbot.waitUntil(lambda: not explore.controller.busy and not compare.controller.busy, timeout=WAIT_MS)


def test_it_cannot_be_saved_or_gone_on_from_and_that_is_said(draft, finish, widget):
    save = widget.view.next_steps.save_button
    assert widget.view.next_steps.isVisibleTo(widget)
    assert not save.isEnabled()
    assert "no model to save" in save.toolTip()
    assert not widget.view.next_steps.buttons["Compare"].isEnabled()
    assert draft not in widget.view.start_from.items
    finish()
    assert save.isEnabled()


@pytest.mark.parametrize("end", ["discard", "failure"])
def test_a_training_without_a_result_closes_it(draft, finish, widget, viewer, qtbot, monkeypatch, end):
    explore = ExploreWidget(viewer)
    viewer.window.add_dock_widget(explore)
    assert explore.controller.model is draft
    if end == "discard":
        widget.view.panel.discard_button.click()
    else:
        monkeypatch.setattr(findings, "train_teacher", lambda *_: 1 / 0)
    finish()
    assert len(open_models(viewer)) == 0
    assert explore.controller.model is None
    assert ISOTROPIC not in viewer.layers


def test_stop_and_keep_during_the_study_makes_a_model_of_it(draft, widget, viewer, qtbot):
    widget.view.panel.stop_button.click()
    assert widget.view.panel.stop_button.text() == "End at once"
    qtbot.waitUntil(lambda: widget.controller.run is None, timeout=WAIT_MS)
    (model,) = open_models(viewer)
    off = [np.abs(model.reconstruction.render(z) - draft.reconstruction.render(z)).mean() for z in (0.5, 2.5)]
    assert max(off) < 12
    assert widget.view.panel.stop_button.text() == "Stop and keep"


def test_removing_the_stack_keeps_a_model_and_no_draft(draft, widget, viewer, stack_layer, qtbot):
    viewer.layers.remove(stack_layer)
    qtbot.waitUntil(lambda: widget.controller.run is None, timeout=WAIT_MS)
    assert [model.is_draft for model in open_models(viewer)] == [False]


def test_closing_the_dock_closes_it(draft, widget, viewer, qtbot):
    explore = ExploreWidget(viewer)
    viewer.window.add_dock_widget(explore)
    explore.controller.go_to(2.4)
    (dock,) = (d for d in viewer.window._wrapped_dock_widgets.values() if d.inner_widget() is widget)
    dock.destroyOnClose()
    qtbot.waitUntil(lambda: len(open_models(viewer)) == 0, timeout=WAIT_MS)
    assert explore.controller.model is None


def test_closing_the_viewer_leaves_nothing(draft, viewer):
    ExploreWidget(viewer)
    viewer.close()
