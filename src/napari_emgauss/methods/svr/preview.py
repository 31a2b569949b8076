"""What is shown while a volume is being learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_emgauss._types import AnyArray, Triple
from napari_emgauss.slices import SliceStack, WorldGrid, WorldVolume
from napari_emgauss.training import PlanePlacement, Preview
from napari_emgauss.voxels.averaging import mean_of_stacks

SIDE = 64
"""Voxels along the longest side."""


def preview_grid(points_mm: AnyArray, voxel_size_mm: float) -> WorldGrid:
    """Return a coarse grid along the world's axes around points (m, 3), with voxels of at least a size."""
    longest_mm = float(np.ptp(points_mm, axis=0).max())
    return WorldGrid.around(points_mm, max(longest_mm / SIDE, voxel_size_mm))


def preview_of(volume: WorldVolume, label: str = "volume so far") -> Preview:
    """Return the preview that shows a volume."""
    plane, row, column, origin = (_triple(vector) for vector in volume.affine[:3].T)
    place = PlanePlacement(origin=origin, plane=plane, row=row, column=column)
    return Preview(image=volume.values, placement=place, label=label)


def first_look(stacks: Sequence[SliceStack], scales: Sequence[float], voxel_size_mm: float) -> Preview:
    """Return what is there before anything is learned: the mean of the stacks where they lie, times ``scales``."""
    grid = preview_grid(np.concatenate([stack.mask_points() for stack in stacks]), voxel_size_mm)
    even = [stack.scaled(scale) for stack, scale in zip(stacks, scales, strict=True)]
    return preview_of(mean_of_stacks(even, grid, order=1), "stacks as they lie")


def _triple(vector: AnyArray) -> Triple:
    x, y, z = (float(v) for v in vector)
    return x, y, z
