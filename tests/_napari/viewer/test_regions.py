"""Regions of a stack that are in view or in a rectangle."""

import numpy as np
import pytest
from napari.components import ViewerModel

import napari_emgauss as eg
from napari_emgauss._napari.viewer.layers import camera_of
from napari_emgauss._napari.viewer.regions import (
    pixel_in_view,
    region_in_view,
    region_of_rectangle,
    section_in_view,
    world_nm,
)
from napari_emgauss.errors import VolumeError

UM = (1000.0, 1000.0, 1000.0)
PLACE = {"scale": (0.048, 0.008, 0.008), "translate": (0.5, 1.25, -0.75), "units": ("um",) * 3}


@pytest.fixture
def grid(stack):
    return eg.Volume(stack.data, stack.voxel_size_nm, (500, 1250, -750))


@pytest.fixture
def viewer(stack):
    viewer = ViewerModel()
    viewer.add_image(np.asarray(stack.data), **PLACE)
    return viewer


def test_the_slider_s_section_is_found_in_any_unit(viewer, grid):
    viewer.dims.set_point(0, 0.5 + 3 * 0.048)
    assert section_in_view(viewer, grid, UM) == pytest.approx(3)
    viewer.add_image(np.zeros((3, 20, 20), np.uint8), units=("nm",) * 3)
    assert world_nm(viewer, UM) == (1, 1, 1)
    viewer.dims.set_point(0, 500 + 2 * 48)
    assert section_in_view(viewer, grid, UM) == pytest.approx(2, abs=0.02)


def test_all_pixels_that_a_rectangle_touches_are_taken(viewer, grid):
    corners = np.array([[3, 10, 6], [3, 10, 25], [3, 29, 25], [3, 29, 6]])
    viewer.add_shapes([corners], shape_type="rectangle", **PLACE)
    assert region_of_rectangle(viewer, grid, UM) == (10, 30, 6, 26)


def test_a_missing_rectangle_is_asked_for(viewer, grid):
    with pytest.raises(VolumeError, match="draw a rectangle first"):
        region_of_rectangle(viewer, grid, UM)


def test_only_xy_sections_have_a_part_in_view(viewer, grid):
    viewer.scene.camera.zoom = 1e6
    viewer.scene.camera.center = (0, 1.25 + 24 * 0.008, -0.75 + 20 * 0.008)
    assert region_in_view(viewer, grid, UM) == (24, 25, 20, 21)
    viewer.dims.order = (1, 0, 2)
    with pytest.raises(VolumeError, match="xy sections"):
        region_in_view(viewer, grid, UM)


def test_the_pixel_in_the_middle_of_the_canvas_is_found_where_sections_are_shown(viewer, grid):
    camera_of(viewer).center = (1.25 + 7 * 0.008, -0.75 + 30 * 0.008)
    assert pixel_in_view(viewer, grid, UM) == pytest.approx((7, 30))
    viewer.dims.order = (1, 0, 2)
    assert pixel_in_view(viewer, grid, UM) is None
