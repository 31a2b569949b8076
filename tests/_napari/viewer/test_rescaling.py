import numpy as np
import pytest
from napari.components import ViewerModel

from napari_emgauss._napari.viewer.rescaling import give_voxel_size, on_grid_of


@pytest.fixture
def viewer():
    """Without a window: nothing here needs one."""
    return ViewerModel()


@pytest.fixture
def pixels(viewer):
    """A stack whose voxel size is not known."""
    return viewer.add_image(np.zeros((5, 20, 30), np.uint8), name="pixels", translate=(1, 2, 3))


def test_labels_and_drawings_of_the_stack_stay_on_it(viewer, pixels):
    labels = viewer.add_labels(np.zeros((5, 20, 30), int), translate=(1, 2, 3))
    points = viewer.add_points([[2, 4, 6]])
    flat = viewer.add_shapes([[[2, 3], [2, 9], [8, 9], [8, 3]]], shape_type="rectangle", ndim=2)
    give_voxel_size(viewer, pixels, (50, 4, 8))
    assert tuple(labels.scale) == tuple(pixels.scale) == (50, 4, 8)
    assert tuple(labels.translate) == tuple(pixels.translate) == (50, 8, 24)
    assert tuple(points.data_to_world(points.data[0])) == (100, 16, 48)
    assert tuple(flat.scale) == (4, 8)
    assert {str(unit) for layer in viewer.layers for unit in layer.units} == {"nanometer"}
    assert viewer.layers.units is not None


def test_a_stack_of_its_own_keeps_its_size(viewer, pixels):
    other = viewer.add_image(np.zeros((7, 20, 30), np.uint8))
    known = viewer.add_image(np.zeros((5, 20, 30), np.uint8), scale=(40, 4, 4), units=("nm",) * 3)
    give_voxel_size(viewer, pixels, (50, 4, 8))
    assert tuple(other.scale) == (1, 1, 1)
    assert tuple(known.scale) == (40, 4, 4)


def test_what_is_on_the_grid_has_its_spacing_units_and_size(viewer, pixels):
    assert on_grid_of(pixels, viewer.add_image(np.zeros((20, 30))))
    assert not on_grid_of(pixels, viewer.add_image(np.zeros((5, 20, 30)), scale=(2, 1, 1)))
    assert not on_grid_of(pixels, viewer.add_image(np.zeros((5, 20, 30)), units=("nm",) * 3))
    assert not on_grid_of(pixels, viewer.add_image(np.zeros((2, 5, 20, 30))))


def test_the_pixels_stay_on_the_canvas_while_the_scale_changes(viewer, stack):
    layer = viewer.add_image(np.asarray(stack.data))
    viewer.dims.point = (3, 12, 7)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 20, 10), 4
    viewer.add_labels(np.zeros(stack.shape, int))
    give_voxel_size(viewer, layer, (48, 8, 8))
    assert viewer.dims.point == pytest.approx((3 * 48, 12 * 8, 7 * 8))
    assert viewer.scene.camera.center[-2:] == pytest.approx((160, 80))
    assert viewer.scene.camera.zoom == pytest.approx(0.5)


def test_axes_that_nobody_named_are_z_y_and_x(viewer, pixels):
    give_voxel_size(viewer, pixels, (50, 4, 8))
    assert tuple(pixels.axis_labels) == ("z", "y", "x")
    assert viewer.dims.axis_labels == ("z", "y", "x")
