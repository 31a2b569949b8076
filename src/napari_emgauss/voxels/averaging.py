"""The simplest volumes: stacks resampled and averaged, pixels spread where they were measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.slices import SliceStack, WorldGrid, WorldVolume
from napari_emgauss.voxels.operator import SliceOperator


def mean_of_stacks(stacks: Sequence[SliceStack], grid: WorldGrid, *, order: int = 3) -> WorldVolume:
    """Return the mean of the stacks, each resampled as it lies, by splines of an order; where none reaches it is 0."""
    total, count = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    for stack in stacks:
        total += WorldVolume(stack.images, stack.affine).resampled(grid, order=order).values
        count += WorldVolume(np.ones_like(stack.images), stack.affine).resampled(grid).values > 0.5
    return WorldVolume(np.asarray(total / np.maximum(count, 1), np.float32), grid.affine)


def scattered(operator: SliceOperator, values: FloatArray, weights: AnyArray) -> WorldVolume:
    """Return Aᵀ W y / Aᵀ W 1: every pixel is spread over its profile; where none reaches it is 0."""
    total, weight = operator.adjoint(weights * values), operator.adjoint(np.asarray(weights, np.float32))
    enough = 1e-3 * float(weight.max())
    return WorldVolume(np.where(weight > enough, total / np.maximum(weight, enough), 0), operator.grid.affine)


def object_mask(operator: SliceOperator, inside: AnyArray) -> AnyArray:
    """Return where most of what was measured belongs to the object (z, y, x), by what is inside of the pixels (n,)."""
    share = scattered(operator, inside.astype(np.float32), np.ones(len(inside), np.float32))
    return np.asarray(share.values > 0.5)
