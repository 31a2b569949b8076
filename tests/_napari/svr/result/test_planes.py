import numpy as np
import pytest

from napari_emgauss._napari.svr.result.planes import orthogonal_planes, upright, window_of
from napari_emgauss.slices import SliceStack, WorldGrid, WorldVolume
from napari_emgauss.slices.affine import placed_affine

SHAPE = (12, 10, 8)


@pytest.fixture
def volume():
    """Where each voxel's value tells where it is: 100 z + 10 y + x, mm from the corner."""
    z, y, x = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, ::-1]
    return WorldVolume((100 * z + 10 * y + x).astype(np.float32), affine)


def test_planes_meet_at_the_point_and_have_the_front_above_and_the_right_on_the_left(volume):
    axial, coronal, sagittal = orthogonal_planes(volume, np.array([2, 3, 4]))
    assert axial.image[0, 0] == 400 + 90 + 7
    assert coronal.image[0, 0] == 1100 + 30 + 7
    assert sagittal.image[0, 0] == 1100 + 90 + 2
    assert (axial.size, coronal.size, sagittal.size) == ((10, 8), (12, 8), (12, 10))


def test_a_point_outside_gives_the_nearest_planes_and_none_the_middle(volume):
    assert orthogonal_planes(volume, np.array([-9, 3, 99]))[0].image[-1, -1] == 1100
    assert orthogonal_planes(volume, None)[0].image[-1, -1] in (500, 600)


@pytest.mark.parametrize("orientation", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("flips", [(1, 1), (-1, 1), (1, -1)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_slice_is_turned_to_look_like_the_plane_that_it_is(volume, orientation, flips, turned):
    lengths = {"axial": (12, 10, 8), "coronal": (10, 12, 8), "sagittal": (8, 12, 10)}[orientation]
    affine = placed_affine(lengths, np.ones(3), orientation)
    affine[:3, 3] += volume.grid.positions().reshape(-1, 3).mean(0)
    grid = WorldGrid(lengths, affine)
    image = volume.sample(grid.positions())[3]
    for axis, flip in enumerate(flips, 1):
        if flip < 0:
            image = np.flip(image, axis - 1)
            affine[:3, axis] *= -1
    if turned:
        image, affine = image.T, affine[:, [0, 2, 1, 3]]
    point = grid.positions()[3].mean((0, 1))
    planes = dict(zip(("axial", "coronal", "sagittal"), orthogonal_planes(volume, point), strict=True))
    shown = upright("a", image, affine)
    assert np.allclose(shown.image, planes[orientation].image)
    assert shown.size == planes[orientation].size


def test_the_window_holds_the_mask_and_a_margin():
    mask = np.zeros((3, 20, 20), bool)
    mask[1, 8:12, 2:6] = True
    rows, columns = window_of(SliceStack(np.zeros((3, 20, 20), np.float32), np.eye(4), 1.0, mask))
    assert (rows, columns) == (slice(5, 15), slice(0, 9))
