"""The assistant over a small stack: one dock from the stack to the export."""

import weakref

import pytest

import napari_emgauss as eg
from napari_emgauss._napari.assistant.linked_cursor import OVERLAY
from napari_emgauss._napari.assistant.widget import AssistantWidget
from napari_emgauss._napari.training.steps import Step
from napari_emgauss._napari.viewer.layers import LayerPlacement, camera_of, grid_of, stack_of
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss._napari.viewer.regions import IN_VIEW, WHOLE
from napari_emgauss.methods.emgauss import PRESETS

WAIT_MS = 180_000


@pytest.fixture
def assistant(viewer, stack_layer, monkeypatch):
    """A docked assistant, and its controller."""
    monkeypatch.setitem(PRESETS, "balanced", {**PRESETS["balanced"], "newton_steps": 3})
    widget = AssistantWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Assistant")
    widget.view.reconstruct.settings._fields["teacher"].setChecked(False)
    return widget.controller


@pytest.fixture
def looking(assistant, viewer, stack, stack_layer, trained):
    """The assistant at Look, with a model that is open."""
    placed = eg.Reconstruction(**{**vars(trained), "origin_nm": (500.0, 1250.0, -750.0)})
    source = weakref.ref(stack_layer)
    model = OpenModel("stack · fast", placed, LayerPlacement.of(stack_layer), stack_of(stack_layer), source)
    open_models(viewer).add(model)
    assistant.view.bar.buttons[Step.LOOK].click()
    return assistant


def opened(assistant):
    return {step for step, button in assistant.view.bar.buttons.items() if button.isEnabled()}


def test_it_leads_from_the_stack_over_the_training_to_the_look(assistant, viewer, qtbot):
    view, part = assistant.view, assistant.view.reconstruct.stack.part
    assert opened(assistant) == {Step.STACK, Step.TRY, Step.TRAIN}
    assert "try a part" in view.bar.next.text()
    view.bar.buttons[Step.TRY].click()
    assert (view.step, part.item) == (Step.TRY, IN_VIEW)
    view.bar.buttons[Step.TRAIN].click()
    assert (view.step, part.item) == (Step.TRAIN, WHOLE)
    view.reconstruct.panel.train_button.click()
    assert "gets better by itself" in view.bar.next.text()
    qtbot.waitUntil(lambda: assistant.reconstruct.run is None, timeout=WAIT_MS)
    assert view.step is Step.LOOK
    assert opened(assistant) == set(Step)
    assert assistant.look.layer.visible
    view.bar.buttons[Step.EXPORT].click()
    assert assistant.export.model is assistant.look.model
    assistant.export.start()
    qtbot.waitUntil(lambda: "Exported." in view.bar.next.text(), timeout=WAIT_MS)
    open_models(viewer).remove(assistant.look.model)
    assert view.step is Step.STACK


def test_before_and_after_are_a_key_apart_and_the_canvas_is_left_as_it_was(looking, viewer, stack_layer):
    layer = looking.look.layer
    press = next(bound for key, bound in viewer.keymap.items() if str(key) == "B")
    press(viewer)
    assert (layer.visible, stack_layer.visible) == (False, True)
    press(viewer)
    assert layer.visible
    looking.view.look.fade.setValue(40)
    assert layer.opacity == pytest.approx(0.4)
    looking.view.look.curtain.click()
    assert (layer.opacity, looking.view.look.fade.value()) == (1.0, 50)
    looking.view.look.fade.setValue(25)
    assert viewer.layers["stack · original"].data.shape[2] == stack_layer.data.shape[2] // 4
    looking.view.look.side_by_side.click()
    assert grid_of(viewer).enabled
    assert OVERLAY in viewer.canvas.overlays
    assert "stack · original" not in viewer.layers
    looking.view.look.orientations["xz"].click()
    assert tuple(viewer.dims.order) == (1, 0, 2)
    looking.view.bar.buttons[Step.STACK].click()
    assert (grid_of(viewer).enabled, layer.opacity) == (False, 1.0)
    assert OVERLAY not in viewer.canvas.overlays
    assert all(str(key) != "B" for key in viewer.keymap)


def test_from_the_side_the_cut_goes_through_the_middle_of_what_is_in_view(looking, viewer):
    (_, y0, x0), (_, y1, x1) = looking.look.layer.extent.world
    _, dy, dx = looking.look.layer.scale
    y, x = 0.3 * y0 + 0.7 * y1, 0.8 * x0 + 0.2 * x1
    camera_of(viewer).center = (0, y, x)
    looking.view.look.orientations["xz"].click()
    assert viewer.dims.point[1] == pytest.approx(y, abs=dy)
    camera_of(viewer).center = (0, 0, x1 + 1e6)
    looking.view.look.orientations["yz"].click()
    assert viewer.dims.point[2] == pytest.approx(x1, abs=dx)


def test_opening_it_again_shows_the_one_that_is_open(make_napari_viewer):
    import npe2

    from napari_emgauss._napari.viewer.docked import show_widget

    npe2.PluginManager.instance().discover()
    viewer = make_napari_viewer()
    first = show_widget(viewer, "Explore z")
    assert list(viewer.window.dock_widgets) == ["Explore z (EMGauss)"]  # as napari's menu names it
    assert show_widget(viewer, "Explore z") is first
    assert len(viewer.window.dock_widgets) == 1
