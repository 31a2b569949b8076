"""The field of 3D Gaussians on a regular grid."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.forward.cuts import Cuts
from napari_emgauss.forward.slices import SlicePlane

PLANES_AT_ONCE = 8


def grid_planes(affine: AnyArray, shape: tuple[int, int, int]) -> list[SlicePlane]:
    """Return the planes of a grid as slices without thickness.

    Parameters
    ----------
    affine
        4 × 4; maps an index (plane, row, column) to a place.
    shape
        Planes, rows and columns.
    """
    to_index = torch.from_numpy(np.linalg.inv(np.asarray(affine, np.float64)))
    matrix, offset = to_index[:3, :3], to_index[:3, 3]
    first = offset.new_tensor([1.0, 0.0, 0.0])
    return [SlicePlane(matrix, offset - z * first, torch.zeros_like(offset), shape[1:]) for z in range(shape[0])]


def draw_grid(
    mean: Tensor, covariance: Tensor, amplitude: FloatArray, affine: AnyArray, shape: tuple[int, int, int]
) -> FloatArray:
    """Return the field (planes, rows, columns) of N Gaussians on a grid; see `grid_planes`."""
    values = np.empty(shape, np.float32)
    planes = grid_planes(affine, shape)
    for first in range(0, shape[0], PLANES_AT_ONCE):
        cuts = Cuts(mean, covariance, planes[first : first + PLANES_AT_ONCE])
        pixels = cuts.draw(amplitude)
        for s in range(len(cuts.layout.shapes)):
            values[first + s] = cuts.layout.image(pixels, s)
    return values
