import numpy as np
import pytest

from napari_emgauss._napari.explore.controller import DELETED, HIDDEN, OTHER_VIEW
from napari_emgauss._napari.explore.widget import ExploreWidget
from napari_emgauss._napari.viewer.models import NO_MODEL, OpenModel, open_models


def test_without_a_model_it_says_what_to_do(viewer):
    widget = ExploreWidget(viewer)
    assert widget.view.status.text() == NO_MODEL
    assert not widget.view.controls.isEnabled()
    widget.controller.go_to(1.5)
    assert widget.controller.layer is None
    assert widget.controller.show_volume() is None


def test_a_model_that_is_added_later_can_be_chosen(viewer, stack_layer, trained, settle):
    widget = ExploreWidget(viewer)
    first = open_models(viewer).add(OpenModel("a", trained))
    assert widget.controller.model is first
    assert widget.view.controls.isEnabled()
    second = open_models(viewer).add(OpenModel("b", trained))
    assert widget.controller.model is second
    widget.view.models.setCurrentIndex(0)
    assert widget.controller.model is first
    widget.controller.go_to(1)
    settle(widget.controller)
    open_models(viewer).remove(second)
    open_models(viewer).remove(first)
    assert widget.view.status.text() == NO_MODEL


def test_models_without_sections_are_not_offered(viewer):
    class Volume:
        shape = (3, 20, 20)

    widget = ExploreWidget(viewer)
    open_models(viewer).add(OpenModel("volume", Volume()))
    assert widget.view.models.count() == 0
    assert widget.view.status.text() == NO_MODEL


def test_naparis_slider_moves_ours_and_ours_napari(explore, viewer, stack_layer, settle):
    viewer.dims.set_current_step(0, 3)
    assert explore.z == pytest.approx(3)
    settle(explore)
    explore.view.slider.setValue(1.37)
    settle(explore)
    assert viewer.dims.point[0] == pytest.approx(stack_layer.translate[0] + 1.37 * stack_layer.scale[0])
    assert explore.z == pytest.approx(1.37)  # napari's slider shows its nearest step, ours does not follow that
    viewer.dims.set_current_step(0, 0)
    settle(explore)
    assert explore.z == pytest.approx(0)
    assert explore.layer.translate[0] == pytest.approx(stack_layer.translate[0])


def test_steps_go_to_observed_sections_and_isotropic_planes(explore):
    explore.go_to(1.3)
    explore.view.next_section.click()
    assert explore.z == 2
    explore.view.previous_section.click()
    assert explore.z == 1
    explore.view.next_plane.click()
    assert explore.z == pytest.approx(1 + 1 / 6)
    explore.view.previous_plane.click()
    explore.view.previous_plane.click()
    assert explore.z == pytest.approx(1 - 1 / 6)
    assert explore.view.depth_label.text() == "Depth 40.0 nm: reconstructed"
    explore.view.marks.chosen.emit(2.0)
    assert explore.view.depth_label.text() == "Depth 96.0 nm: observed section"


def test_a_deleted_layer_pauses_and_comes_back_on_the_next_move(explore, viewer, settle):
    explore.go_to(1.2)
    settle(explore)
    explore.view.play.click()
    viewer.layers.remove(explore.layer)
    assert explore.layer is None
    assert not explore.view.play.isChecked()
    assert explore.view.status.text() == DELETED
    settle(explore)
    assert explore.layer is None
    explore.go_to(1.3)
    settle(explore)
    assert explore.layer in viewer.layers
    assert explore.view.status.text() == ""


def test_deleting_the_stack_leaves_the_section(explore, viewer, model, stack_layer, settle):
    explore.go_to(1.2)
    viewer.layers.remove(stack_layer)
    explore.go_to(1.3)
    settle(explore)
    explore.go_to(2.6)
    settle(explore)
    assert explore.layer.data[0] == pytest.approx(model.reconstruction.render(2.6), abs=1e-3)
    assert viewer.dims.point[0] == pytest.approx(0.5 + 2.6 * 0.048)


def test_a_hidden_layer_is_not_drawn_until_it_is_shown_again(explore, model, settle):
    explore.go_to(1)
    settle(explore)
    explore.layer.visible = False
    before = explore.layer.data.copy()
    explore.go_to(2.5)
    settle(explore)
    assert explore.view.status.text() == HIDDEN
    assert np.array_equal(explore.layer.data, before)
    explore.layer.visible = True
    settle(explore)
    assert explore.layer.data[0] == pytest.approx(model.reconstruction.render(2.5), abs=1e-3)


def test_other_views_are_explained_and_left_alone(explore, viewer, settle):
    for change, back in ((("ndisplay", 3), ("ndisplay", 2)), (("order", (1, 0, 2)), ("order", (0, 1, 2)))):
        setattr(viewer.dims, *change)
        assert explore.view.status.text() == OTHER_VIEW
        point = viewer.dims.point
        explore.go_to(3.1)
        settle(explore)
        assert viewer.dims.point == point
        setattr(viewer.dims, *back)
        assert explore.view.status.text() == ""
