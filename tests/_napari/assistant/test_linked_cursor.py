"""The mark of the pointer in pictures that stand side by side."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_emgauss._napari.assistant.linked_cursor import OVERLAY, REACH_PX, LinkedCursor
from napari_emgauss._napari.viewer.layers import grid_of


@pytest.fixture
def pictures(viewer):
    """Two pictures side by side."""
    for _ in range(2):
        viewer.add_image(np.zeros((4, 20, 20)))
    grid = grid_of(viewer)
    grid.shape, grid.enabled = (1, -1), True
    return viewer


@pytest.mark.parametrize("column", [0, 1])
def test_the_pointer_is_marked_at_the_same_place_of_every_picture(pictures, column):
    cursor = LinkedCursor(pictures)
    cursor.open()
    mark = pictures.canvas.overlays[OVERLAY]
    assert not mark.visible
    _, width = pictures.canvas.viewbox_size(pictures.layers)
    pictures.mouse_move_callbacks[-1](pictures, SimpleNamespace(pos=(column * width + 31, 42)))
    assert mark.visible
    assert mark.gridded
    assert np.mean(mark.position, axis=0) == pytest.approx((42, 31))
    assert np.ptp(mark.position, axis=0) == pytest.approx(2 * REACH_PX)
    drawn = pictures.window._qt_viewer.canvas._viewer_overlay_to_visual[mark]
    assert len(drawn) == 2


def test_it_goes_with_the_pointer_and_leaves_nothing(pictures):
    before = list(pictures.mouse_move_callbacks)
    cursor = LinkedCursor(pictures)
    cursor.open()
    mark = pictures.canvas.overlays[OVERLAY]
    pictures.mouse_over_canvas = True
    pictures.mouse_move_callbacks[-1](pictures, SimpleNamespace(pos=(5, 5)))
    pictures.mouse_over_canvas = False
    assert not mark.visible
    cursor.close()
    assert OVERLAY not in pictures.canvas.overlays
    assert pictures.mouse_move_callbacks == before
    pictures.mouse_over_canvas = True  # nothing of it listens
