"""Merging of neighbouring Gaussians: one for all whose centres share a square cell."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.runtime.jit import njit_nogil

NEAR_CELLS = 4
"""Cells around a tile in which Gaussians count too; those farther away are left out."""
_N_SUMS = 7
_LEAST_WEIGHT = 1e-12
_LEAST_VARIANCE = 1e-6


def merge_in_cells(values: Mapping[str, Tensor], cell_px: float, shape: tuple[int, int]) -> dict[str, Tensor]:
    """Return one Gaussian for all whose centres share a square cell, with their integral, mean and covariance.

    Means and covariances are weighted by the absolute integrals: intensities may have either sign.

    Parameters
    ----------
    values
        ``mean_px`` (N, 2), ``log_scale`` (N, 2), ``angle_rad`` (N,) and ``intensity`` (N,).
    cell_px
        Width of a cell.
    shape
        Size (Y, X) of the tile that they belong to.
    """
    n_rows, n_columns = (math.ceil(side / cell_px) + 2 * NEAR_CELLS for side in shape)
    sums = np.zeros((n_rows, n_columns, _N_SUMS))
    own = {name: np.ascontiguousarray(value.detach().cpu().numpy()) for name, value in values.items()}
    _sum_in_cells(own["mean_px"], own["log_scale"], own["angle_rad"], own["intensity"], cell_px, sums)
    row, column = np.nonzero(sums[..., 0])
    weight, integral, *moments = sums[row, column].T
    y, x, yy, yx, xx = (moment / weight for moment in moments)
    yy, yx, xx = yy - y * y, yx - y * x, xx - x * x
    middle, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    large, small = middle + half, np.maximum(middle - half, _LEAST_VARIANCE)
    mean = (row - NEAR_CELLS) * cell_px + y, (column - NEAR_CELLS) * cell_px + x

    def tensor(*columns: AnyArray) -> Tensor:
        merged = np.stack(columns, -1).astype(np.float32)
        return torch.from_numpy(merged).to(values["mean_px"].device)

    return {
        "mean_px": tensor(*mean),
        "log_scale": tensor(0.5 * np.log(large), 0.5 * np.log(small)),
        "angle_rad": tensor(0.5 * np.arctan2(2 * yx, yy - xx))[:, 0],
        "intensity": tensor(integral / (2 * math.pi * np.sqrt(large * small)))[:, 0],
    }


@njit_nogil
def _sum_in_cells(
    mean_px: FloatArray,
    log_scale: FloatArray,
    angle_rad: FloatArray,
    intensity: FloatArray,
    cell_px: float,
    sums: AnyArray,
) -> None:
    """Add, per cell, the weights, the integrals, and weight times y, x, yy, yx and xx from the cell's corner."""
    for i in range(mean_px.shape[0]):
        row = math.floor(mean_px[i, 0] / cell_px) + NEAR_CELLS
        column = math.floor(mean_px[i, 1] / cell_px) + NEAR_CELLS
        if not (0 <= row < sums.shape[0] and 0 <= column < sums.shape[1]):
            continue
        y = mean_px[i, 0] - (row - NEAR_CELLS) * cell_px
        x = mean_px[i, 1] - (column - NEAR_CELLS) * cell_px
        a, b = math.exp(2 * log_scale[i, 0]), math.exp(2 * log_scale[i, 1])
        cos, sin = math.cos(angle_rad[i]), math.sin(angle_rad[i])
        integral = 2 * math.pi * math.sqrt(a * b) * intensity[i]
        weight = max(abs(integral), _LEAST_WEIGHT)
        cell = sums[row, column]
        cell[0] += weight
        cell[1] += integral
        cell[2] += weight * y
        cell[3] += weight * x
        cell[4] += weight * (cos * cos * a + sin * sin * b + y * y)
        cell[5] += weight * (cos * sin * (a - b) + y * x)
        cell[6] += weight * (sin * sin * a + cos * cos * b + x * x)
