"""One world for stacks, masks and results, upright as radiologists have it, and the way back to millimetres."""

import itertools

import nibabel
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer
from scipy.spatial.transform import Rotation

from napari_emgauss._napari.viewer.space import (
    SLICES,
    LayerInSpace,
    from_napari,
    look_at,
    point_in_view,
    read_nifti_layers,
    stack_to_layers,
    to_napari,
    volume_to_layer,
)
from napari_emgauss.errors import VolumeError, VoxelSizeError
from napari_emgauss.io.stacks import read_stack
from napari_emgauss.slices import SliceStack, WorldVolume

pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
"""Napari shows oblique layers in 2D as if they lay straight, and says so."""
TURN = Rotation.from_rotvec([0.3, -0.2, 0.1]).as_matrix()


def layer_of(layer_data):
    return Layer.create(*layer_data)


def oblique(order=(0, 1, 2)):
    affine = np.eye(4)
    affine[:3, :3] = (TURN @ np.diag([1.1, -1.3, 4.0]))[:, order]
    affine[:3, 3] = 12, -34, 56
    return affine


def test_above_is_at_the_top_the_front_too_and_the_patients_right_on_the_left():
    above, front, right = to_napari(np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]))
    assert above[0] < 0  # the first axis, vertical in coronal and sagittal views, points down
    assert front[1] < 0
    assert right[2] < 0
    assert np.array_equal(from_napari(to_napari(np.array([1, 2, 3]))), (1, 2, 3))


def test_what_is_right_handed_stays_so():
    x, y, z = to_napari(np.eye(3))
    # In 3D napari's axes point towards the viewer, down and right; here as right, up and towards, right-handed.
    screen = np.array([[0, 0, 1], [0, -1, 0], [1, 0, 0]])
    assert np.linalg.det(np.stack([screen @ x, screen @ y, screen @ z])) == pytest.approx(1)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_file_read_as_a_layer_is_the_stack_that_the_library_reads(tmp_path, order):
    values = np.random.default_rng(0).random((9, 8, 7)).astype(np.float32).transpose(order)
    path = tmp_path / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, oblique(order)), path)
    layer = layer_of(read_nifti_layers(path)[0])
    stack, expected = LayerInSpace.of(layer).stack(3.0), read_stack(path, thickness_mm=3.0)
    assert np.array_equal(stack.images, expected.images)
    assert np.allclose(stack.affine, expected.affine, atol=1e-4)
    assert layer.name == "a"
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3


def test_the_thickness_beside_a_file_comes_with_its_layer(tmp_path):
    path = tmp_path / "a.nii"
    nibabel.save(nibabel.Nifti1Image(np.random.default_rng(0).random((4, 5, 6)), oblique()), path)
    (tmp_path / "a.json").write_text('{"SliceThickness": 2.5}')
    (_, attributes, _), *_ = read_nifti_layers(path)
    assert attributes["metadata"][SLICES]["thickness_mm"] == 2.5


def test_a_file_of_zeros_and_ones_is_a_mask_in_the_same_place(tmp_path):
    values = np.zeros((6, 5, 4), np.uint8)
    values[2:4, 1, 1] = 1
    nibabel.save(nibabel.Nifti1Image(values, oblique()), tmp_path / "m.nii")
    layer = layer_of(read_nifti_layers(tmp_path / "m.nii")[0])
    assert isinstance(layer, Labels)
    assert layer.data.sum() == 2


def test_stack_mask_and_volume_of_one_grid_overlay_each_other():
    values = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)
    affine = oblique()[:, [2, 1, 0, 3]]
    stack = SliceStack(values, affine, 4.0, mask=values > 0.5)
    image, mask = (layer_of(data) for data in stack_to_layers(stack, thickness_mm=4.0))
    volume = layer_of(volume_to_layer(WorldVolume(values, affine), "v"))
    for other in (mask, volume):
        assert LayerInSpace.of(other).same_grid(LayerInSpace.of(image))
    assert np.array_equal(mask.data > 0, image.data > 0.5)


def test_orthogonal_stacks_have_no_rotation_left_in_napari():
    coronal = np.eye(4)
    coronal[:3, :3] = np.array([[0, 0, 1], [4, 0, 0], [0, 1, 0]])
    layer = layer_of(stack_to_layers(SliceStack(np.zeros((3, 4, 5), np.float32), coronal, 4.0), thickness_mm=None)[0])
    linear = layer.affine.affine_matrix[:3, :3]
    assert np.allclose(linear, np.diag(np.diag(linear)))
    assert LayerInSpace.of(layer).axes == (1, 0, 2)


def test_a_layer_with_scale_rotation_and_another_unit_is_where_napari_has_it():
    layer = Image(
        np.zeros((4, 5, 6), np.float32),
        scale=(400, 100, 100),
        rotate=TURN,
        translate=(1e3, 2e3, 3e3),
        units=("um",) * 3,
    )
    space = LayerInSpace.of(layer)
    point = space.affine @ (1, 2, 3, 1)
    assert np.allclose(to_napari(point[:3]) * 1e3, layer.data_to_world((1, 2, 3)))
    assert space.axes[0] == 0


def test_layers_that_have_no_place_in_space_are_refused_with_what_to_do():
    with pytest.raises(VoxelSizeError, match="size of its voxels is not known"):
        LayerInSpace.of(Image(np.zeros((4, 5, 6))))
    with pytest.raises(VolumeError, match="three axes"):
        LayerInSpace.of(Image(np.zeros((4, 5)), scale=(2, 2)))
    with pytest.raises(VoxelSizeError, match="second"):
        LayerInSpace.of(Image(np.zeros((4, 5, 6)), units=("s",) * 3))
    assert not LayerInSpace.of(Image(np.zeros((4, 5, 6)), scale=(4, 1, 1))).states_unit


@pytest.mark.parametrize("unit", ["mm", "um"])
def test_the_viewer_looks_at_a_point_and_tells_it(unit):
    viewer = ViewerModel()
    factor = {"mm": 1, "um": 1000}[unit]
    viewer.add_image(np.zeros((40, 40, 40)), scale=(factor,) * 3, translate=(-20 * factor,) * 3, units=(unit,) * 3)
    look_at(viewer, np.array([3, -5, 7]))
    assert np.allclose(point_in_view(viewer), (3, -5, 7))
