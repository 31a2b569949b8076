"""The movable edge between a stack and what was made of it."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_emgauss._napari.assistant.curtain import Curtain, FirstPart
from napari_emgauss._napari.viewer.layers import camera_of


@pytest.fixture
def told():
    return []


@pytest.fixture
def curtain(viewer, stack_layer, told):
    """A curtain before the stack's layer."""
    made = Curtain(viewer, moved=told.append, lost=lambda: told.append("lost"))
    made.open(stack_layer, "stack · original")
    return made


@pytest.mark.parametrize(
    "key", [3, slice(1, 3), (slice(None), 2), (..., slice(None)), (1, slice(None), slice(2, None))]
)
def test_a_first_part_is_what_its_array_would_be_if_it_were_cut(key):
    whole = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    assert np.array_equal(FirstPart(whole, 2, 4)[key], whole[:, :, :4][key])


def test_it_shows_the_stack_on_the_left_of_the_edge_however_the_axes_are_rolled(curtain, viewer, stack_layer):
    curtain.move(0.25)
    layer, whole = viewer.layers["stack · original"], np.asarray(stack_layer.data)
    assert viewer.layers.selection.active is stack_layer
    for order, axis in (((0, 1, 2), 2), ((1, 0, 2), 2), ((2, 0, 1), 1)):
        viewer.dims.order = order
        n = round(0.25 * whole.shape[axis])
        assert np.array_equal(np.asarray(layer.data), whole.take(range(n), axis))
    assert np.allclose(layer.extent.world[0], stack_layer.extent.world[0])


def test_it_is_dragged_by_its_edge_and_not_elsewhere(curtain, viewer, stack_layer, told):
    camera, n = camera_of(viewer), stack_layer.data.shape[2]
    drag = viewer.mouse_drag_callbacks[-1]

    def at(column, kind="mouse_press"):
        return SimpleNamespace(type=kind, position=stack_layer.data_to_world((0, 0, column)))

    far = drag(viewer, at(0))
    assert next(far, "nothing") == "nothing"
    event = at(0.5 * n - 0.5)
    moving = drag(viewer, event)
    next(moving)
    assert not camera.mouse_pan
    vars(event).update(vars(at(0.75 * n - 0.5, "mouse_move")))
    next(moving)
    vars(event).update(type="mouse_release")
    assert next(moving, "over") == "over"
    assert camera.mouse_pan
    assert told == [pytest.approx(0.75)]
    assert viewer.layers["stack · original"].data.shape[2] == round(0.75 * n)


def test_it_leaves_nothing_and_tells_when_it_was_taken_away(curtain, viewer, stack_layer, told):
    viewer.layers.remove("stack · original")
    assert told == ["lost"]
    curtain.close()
    before = list(viewer.mouse_drag_callbacks)
    curtain.open(stack_layer, "stack · original")
    curtain.close()
    assert "stack · original" not in viewer.layers
    assert list(viewer.mouse_drag_callbacks) == before
