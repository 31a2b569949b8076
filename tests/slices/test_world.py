import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_emgauss.errors import OutOfMemoryError, VolumeError
from napari_emgauss.slices import WorldGrid, WorldVolume

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_rotvec([0.3, -0.2, 0.5]).as_matrix() * [-2.0, 1.0, 0.7]
OBLIQUE[:3, 3] = 10, -20, 30


def test_a_grid_around_points_holds_them():
    points = np.random.default_rng(0).normal(0, 20, (50, 3))
    grid = WorldGrid.around(points, 0.8, margin_mm=2)
    at = grid.indices(points)
    assert (at >= 2 / 0.8 - 1e-9).all()
    assert (at <= np.array(grid.shape) - 1 - 2 / 0.8 + 1e-9).all()
    assert np.allclose(grid.spacing_mm, 0.8)


def test_the_axes_of_a_grid_around_points_are_those_of_the_world():
    grid = WorldGrid.around(np.zeros((1, 3)), 0.5, margin_mm=3)
    steps = grid.positions()[1, 1, 1] - grid.positions()[0, 0, 0]
    assert np.allclose(np.diff(grid.positions()[:, 0, 0], axis=0), [0, 0, 0.5])
    assert np.allclose(steps, 0.5)


@pytest.mark.parametrize("order", [1, 3])
def test_a_sample_at_a_voxel_is_the_voxel(order):
    volume = WorldVolume(np.random.default_rng(1).random((5, 6, 7), np.float32), OBLIQUE)
    assert np.allclose(volume.sample(volume.grid.positions(), order=order), volume.values, atol=1e-5)


def test_a_linear_field_is_sampled_exactly_between_voxels():
    slope = np.array([0.3, -0.5, 0.2])
    grid = WorldGrid((9, 9, 9), OBLIQUE)
    volume = WorldVolume((grid.positions() @ slope).astype(np.float32), OBLIQUE)
    points = grid.positions()[3:5, 3:5, 3:5] + 0.11
    assert np.allclose(volume.sample(points), points @ slope, atol=1e-4)


def test_outside_is_what_one_says():
    volume = WorldVolume(np.ones((3, 3, 3), np.float32), np.eye(4))
    assert volume.sample(np.array([[99.0, 0, 0]]), outside=-1.0)[0] == -1


def test_resampling_to_its_own_grid_changes_nothing():
    volume = WorldVolume(np.random.default_rng(1).random((5, 6, 7), np.float32), OBLIQUE)
    again = volume.resampled(volume.grid)
    assert np.allclose(again.values, volume.values, atol=1e-5)
    assert np.allclose(again.affine, OBLIQUE)


def test_a_grid_that_does_not_fit_in_memory_is_refused_before_it_is_made():
    with pytest.raises(OutOfMemoryError, match="larger voxels"):
        WorldGrid.around(np.array([[0.0, 0, 0], [300, 300, 300]]), 1e-3)


@pytest.mark.parametrize(
    ("points", "voxel", "message"),
    [(np.zeros((2, 3)), 0.0, "must be positive"), (np.zeros((0, 3)), 1.0, "got none")],
)
def test_an_impossible_grid_is_refused(points, voxel, message):
    with pytest.raises(VolumeError, match=message):
        WorldGrid.around(points, voxel)


@pytest.mark.misuse
def test_values_need_three_axes():
    with pytest.raises(VolumeError, match="three axes"):
        WorldVolume(np.zeros((2, 3), np.float32), np.eye(4))
