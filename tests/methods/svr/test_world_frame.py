"""From NIfTI to NIfTI: what is somewhere in the world stays there."""

import itertools

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import napari_emgauss as eg
from napari_emgauss.phantoms import Acquisition, simulate_stacks
from napari_emgauss.slices import WorldGrid, WorldVolume

PLACE = np.array([2.3, -1.7, 3.1])
AWAY = np.eye(4)
AWAY[:3, :3] = Rotation.from_rotvec([0.5, -0.3, 0.8]).as_matrix()
AWAY[:3, 3] = 31, -62, 47


@pytest.fixture(scope="module")
def stacks():
    """Slices of a ball with a bright point off its centre; oblique, and far from the world's origin."""
    grid = WorldGrid.around(np.zeros((1, 3)), 1.0, margin_mm=11)
    at = grid.positions()
    ball = np.linalg.norm(at, axis=-1) < 9
    values = 100.0 * ball + 400 * np.exp(-((at - PLACE) ** 2).sum(-1) / (2 * 1.6**2))
    acquisition = Acquisition(thickness_mm=2.0, noise=0.0, motion_deg=0.0, motion_mm=0.0, corrupted=0.0)
    truth = WorldVolume(values.astype(np.float32), grid.affine)
    return [stack.moved(AWAY) for stack in simulate_stacks(truth, ball, acquisition).stacks]


def saved(stack, path, order, flips):
    """Write a stack and its mask with their axes in some order and direction."""
    for values, name in ((stack.images, path), (stack.inside.astype(np.uint8), path.with_suffix(".mask.nii"))):
        affine = stack.affine.copy()
        for axis, flip in enumerate(flips):
            if flip:
                affine[:3, 3] += affine[:3, axis] * (values.shape[axis] - 1)
                affine[:3, axis] *= -1
        turned = np.flip(values, [axis for axis, flip in enumerate(flips) if flip]).transpose(order)
        nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(turned), affine[:, [*order, 3]]), name)


@pytest.mark.parametrize(
    ("order", "flips"), list(zip(itertools.permutations(range(3)), itertools.product((0, 1), repeat=3), strict=False))
)
def test_a_bright_point_is_where_it_was_for_axes_in_any_order_and_direction(stacks, tmp_path, order, flips):
    for k, stack in enumerate(stacks):
        saved(stack, tmp_path / f"{k}.nii", order, flips)
    read = [eg.read_stack(tmp_path / f"{k}.nii", mask=tmp_path / f"{k}.mask.nii", thickness_mm=2.0) for k in range(3)]
    volume = eg.reconstruct_slices(read, motion=False, align_stacks=False, solve_steps=6).volume()
    volume.write(tmp_path / "out.nii.gz")
    image = nibabel.load(tmp_path / "out.nii.gz")
    values = image.get_fdata()
    bright = np.where(values > 0.5 * values.max(), values - 0.5 * values.max(), 0)
    index = np.array([np.average(axis, weights=bright) for axis in np.indices(values.shape)])
    expected = AWAY[:3, :3] @ PLACE + AWAY[:3, 3]
    assert np.linalg.norm(image.affine[:3, :3] @ index + image.affine[:3, 3] - expected) < 0.15
