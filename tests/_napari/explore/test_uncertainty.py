import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss._napari.explore.widget import ExploreWidget
from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss._napari.viewer.models import OpenModel, open_models

WAIT_MS = 60_000


def uncertainty_layers(viewer):
    return [layer for layer in viewer.layers if "uncertainty" in layer.name]


@pytest.fixture
def uncertain(viewer, explore, settle):
    """Explore z at 1.5 with its uncertainty shown."""
    explore.go_to(1.5)
    settle(explore)
    explore.view.uncertainty.setChecked(True)
    settle(explore)
    return explore


def test_the_uncertainty_lies_exactly_over_the_section(viewer, uncertain, model):
    (layer,) = uncertainty_layers(viewer)
    assert layer.name == "stack · uncertainty"
    assert viewer.layers[-1] is layer
    assert layer.data.shape == uncertain.layer.data.shape
    for name in ("scale", "translate", "units", "axis_labels"):
        np.testing.assert_array_equal(getattr(layer, name), getattr(uncertain.layer, name))
    np.testing.assert_array_equal(layer.data[0], model.reconstruction.uncertainty(1.5))
    assert np.array_equal(layer._slice.image.raw, layer.data[0])  # it is on the canvas, too
    assert (layer.colormap.name, layer.blending) == ("error to expect", "multiplicative")
    middles = [model.reconstruction.uncertainty(i + 0.5).mean() for i in range(4)]
    assert list(layer.contrast_limits) == pytest.approx([0, 2 * np.mean(middles)], rel=0.1)


def test_the_uncertainty_follows_z_also_by_less_than_a_section(viewer, uncertain, model, settle):
    (layer,) = uncertainty_layers(viewer)
    limits = list(layer.contrast_limits)
    for z in (1.6, 3.25, 0):
        uncertain.go_to(z)
        settle(uncertain)
        np.testing.assert_array_equal(layer.data[0], model.reconstruction.uncertainty(z))
        np.testing.assert_array_equal(layer.translate, uncertain.layer.translate)
        assert np.array_equal(layer._slice.image.raw, layer.data[0])
    assert list(layer.contrast_limits) == limits


def test_the_uncertainty_disturbs_neither_selection_nor_camera(viewer, explore, stack_layer, settle):
    viewer.layers.selection = {stack_layer}
    viewer.scene.camera.zoom, viewer.scene.camera.center = 900, (0, 1.4, -0.6)
    for shown in (True, False):
        explore.view.uncertainty.setChecked(shown)
        settle(explore)
        assert len(uncertainty_layers(viewer)) == shown
        assert viewer.layers.selection == {stack_layer}
        assert viewer.layers.selection.active is stack_layer
        assert viewer.scene.camera.zoom == 900
        assert viewer.scene.camera.center[1:] == pytest.approx((1.4, -0.6))


def test_uncertainty_that_is_switched_off_while_it_is_drawn_stays_off(viewer, explore, settle):
    for shown in (True, False, True, False):
        explore.view.uncertainty.setChecked(shown)
    settle(explore)
    assert [layer.name for layer in viewer.layers] == ["stack", "stack · Explore z"]


def test_a_deleted_uncertainty_layer_is_not_forced_back(viewer, uncertain, settle):
    viewer.layers.remove(uncertainty_layers(viewer)[0])
    assert not uncertain.view.uncertainty.isChecked()
    uncertain.go_to(1.25)
    settle(uncertain)
    assert not uncertainty_layers(viewer)


def test_the_uncertainty_stays_on_top_of_a_section_that_was_deleted_and_came_back(viewer, uncertain, settle):
    viewer.layers.remove(uncertain.layer)
    uncertain.go_to(2.5)
    settle(uncertain)
    assert [layer.name for layer in viewer.layers] == ["stack", "stack · Explore z", "stack · uncertainty"]


def test_the_uncertainty_goes_with_its_model(viewer, uncertain, model, settle):
    rec, place = model.reconstruction, model.placement
    other = open_models(viewer).add(OpenModel("other", rec, place))
    uncertain.view.models.setCurrentIndex(1)
    settle(uncertain)
    (layer,) = uncertainty_layers(viewer)
    assert layer.name == "other · uncertainty"
    np.testing.assert_array_equal(layer.translate, uncertain.layer.translate)
    without = eg.Reconstruction(**{**vars(rec), "uncertainty_map": None})
    bare = open_models(viewer).add(OpenModel("bare", without, place))
    uncertain.view.models.setCurrentIndex(2)
    assert not uncertainty_layers(viewer)
    uncertain.view.models.setCurrentIndex(0)
    uncertain.view.uncertainty.setChecked(True)
    settle(uncertain)
    for each in (bare, other, model):
        assert len(uncertainty_layers(viewer)) == 1
        open_models(viewer).remove(each)
        settle(uncertain)
    assert not uncertainty_layers(viewer)


def test_uncertainty_that_was_asked_for_in_another_view_comes_with_the_sections(viewer, explore, settle):
    viewer.dims.ndisplay = 3
    explore.view.uncertainty.setChecked(True)
    settle(explore)
    assert not uncertainty_layers(viewer)
    viewer.dims.ndisplay = 2
    settle(explore)
    assert len(uncertainty_layers(viewer)) == 1


def test_closing_the_dock_takes_the_uncertainty_away(viewer, model, qtbot):
    dock, widget = viewer.window.add_plugin_dock_widget("napari-emgauss", "Explore z")
    widget.view.uncertainty.setChecked(True)
    qtbot.waitUntil(lambda: not widget.controller.busy, timeout=WAIT_MS)
    assert uncertainty_layers(viewer)
    widget.controller.go_to(2.2)  # the dock is closed while this is drawn
    with qtbot.waitSignal(widget.destroyed, timeout=WAIT_MS):
        dock.destroyOnClose()
    assert not uncertainty_layers(viewer)


def test_the_viewer_can_be_closed_with_the_uncertainty_shown(viewer, uncertain, qtbot):
    uncertain.go_to(2.2)
    viewer.close()
    qtbot.wait(50)


def test_a_model_without_uncertainty_says_so(viewer, stack_layer, trained):
    bare = eg.Reconstruction(**{**vars(trained), "uncertainty_map": None})
    open_models(viewer).add(OpenModel("bare", bare, LayerPlacement.of(stack_layer)))
    widget = ExploreWidget(viewer)
    assert not widget.view.uncertainty.isEnabled()
    assert "no map" in widget.view.uncertainty.toolTip()
