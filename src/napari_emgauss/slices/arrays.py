"""Oriented stacks from arrays whose axes are in any order, and masks on any grid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import VolumeError
from napari_emgauss.slices.affine import check_affine, spacing_of, transform
from napari_emgauss.slices.stack import SliceStack
from napari_emgauss.slices.world import WorldVolume

_CLEARLY_COARSER = 1.2
_ONE_GRID_WITHIN = 1e-2
"""Of a voxel."""


def slice_axis_of(
    shape: Sequence[int], spacing_mm: AnyArray, *, named: int | None = None, wanted: int | None = None
) -> int:
    """Return the axis (0, 1 or 2) of an array along which its slices lie.

    The ``wanted`` one; else the only one of length 1; else the one with clearly the largest spacing; else the one that
    a header ``named``; else the last.

    Raises
    ------
    VolumeError
        ``wanted`` is none of the three.
    """
    if wanted is not None:
        if wanted not in (0, 1, 2):
            raise VolumeError(f"slice_axis must be 0, 1 or 2, got {wanted!r}.")
        return wanted
    single = [axis for axis, n in enumerate(shape) if n == 1]
    if len(single) == 1:
        return single[0]
    coarse = np.sort(spacing_mm)
    if coarse[2] > _CLEARLY_COARSER * coarse[1]:
        return int(np.argmax(spacing_mm))
    return 2 if named is None else named


def is_thick(affine: AnyArray) -> bool:
    """Tell whether one axis of a grid is clearly coarser than the others, as that of a stack of thick slices is."""
    spacing = np.sort(spacing_of(affine))
    return bool(spacing[2] > _CLEARLY_COARSER * spacing[1])


def along_world(affine: AnyArray) -> tuple[int, int, int]:
    """Return the axes of an array that lie closest to the world's z, y and x, each once."""
    cosines = np.abs(affine[:3, :3]) / spacing_of(affine)
    z, y, x = max(permutations(range(3)), key=lambda axes: sum(cosines[2 - i, axis] for i, axis in enumerate(axes)))
    return z, y, x


def stack_of_array(
    values: AnyArray, affine: AnyArray, *, axes: tuple[int, int, int], thickness_mm: float, name: str = "stack"
) -> SliceStack:
    """Return the stack of an array with its axes in any order.

    Parameters
    ----------
    values
        Intensities, three axes.
    affine
        4 × 4; maps an index of the array to world millimetres (RAS).
    axes
        Axes of the array that are (slice, row, column).
    thickness_mm, name
        As for `SliceStack`.

    Raises
    ------
    VolumeError
        It is none.
    """
    if np.ndim(values) != 3:
        raise VolumeError(f"{name}: a stack has three axes, got {np.ndim(values)}. Pick one channel or time point.")
    images = np.ascontiguousarray(np.transpose(values, axes), np.float32)
    return SliceStack(images, check_affine(affine, name)[:, [*axes, 3]], thickness_mm, name=name)


def is_grid_of(stack: SliceStack, shape: Sequence[int], affine: AnyArray) -> bool:
    """Tell whether the voxels of an array are the pixels of a stack, whatever the order of its axes.

    Parameters
    ----------
    stack
        The stack.
    shape
        Of the array (a, b, c).
    affine
        4 × 4; maps an index of the array to world millimetres (RAS).
    """
    own, other = (list(product(*((0, n - 1) for n in lengths))) for lengths in (stack.images.shape, shape))
    at = transform(np.linalg.inv(affine), stack.world(np.array(own, np.float64)))
    nearest = np.rint(at)
    on_voxels = np.abs(at - nearest).max() < _ONE_GRID_WITHIN
    return bool(on_voxels) and {tuple(corner) for corner in nearest.astype(int).tolist()} == set(other)


def mask_on(stack: SliceStack, values: AnyArray, affine: AnyArray, name: str) -> AnyArray:
    """Return a mask on the pixels of a stack (n, h, w).

    Where both grids have the same points it is the mask's own voxels, else the nearest half of what lies between them.

    Parameters
    ----------
    stack
        Whose pixels are wanted.
    values
        Not zero inside (a, b, c).
    affine
        4 × 4; maps an index of ``values`` to world millimetres (RAS).
    name
        Named in messages.

    Raises
    ------
    VolumeError
        NaN in the mask, or nothing of it is in the stack.
    """
    values = np.asarray(values)
    if not np.isfinite(values).all():
        raise VolumeError(f"{name} has NaN or infinite values; a mask is zero outside and not zero inside.")
    placed = WorldVolume((values != 0).astype(np.float32), affine)
    indices = np.stack(np.meshgrid(*map(np.arange, stack.images.shape), indexing="ij"), -1)
    at = placed.grid.indices(stack.world(indices))
    nearest = np.rint(at)
    # Two programs round one affine differently; what is one grid but for that keeps its borders.
    if np.abs(at - nearest).max() < _ONE_GRID_WITHIN:
        at = nearest
    inside: AnyArray = placed.sample(transform(placed.affine, at)) > 0.5
    if not inside.any():
        raise VolumeError(
            f"{name} marks nothing in {stack.name}: the mask is empty, or lies elsewhere in space. "
            "Check that both are of one examination."
        )
    return inside
