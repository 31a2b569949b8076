"""Affine maps between the indices of an array and millimetres."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import VolumeError

ORTHOGONAL_WITHIN = 1e-3
"""Largest cosine between two axes of a grid: scanners round their affines."""
SPACINGS_MM = (1e-6, 1e3)
"""Plausible spacings: from a nanometre to a metre."""


def check_affine(affine: Any, what: str) -> AnyArray:
    """Return a 4 × 4 affine as float64, or raise `VolumeError` unless its axes are orthogonal and of plausible length.

    Parameters
    ----------
    affine
        Maps an index (three numbers) to world millimetres.
    what
        Whose affine it is; named in the error.
    """
    try:
        matrix = np.array(affine, np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.allclose(matrix[3], (0, 0, 0, 1)):
        raise VolumeError(
            f"{what}: the affine must be 4 × 4, finite, with the last row 0 0 0 1, got {affine!r}. "
            "It maps (slice, row, column) to millimetres; save the image again with a valid one."
        )
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    low, high = SPACINGS_MM
    if not (lengths.min() >= low and lengths.max() <= high):
        raise VolumeError(
            f"{what}: the spacing of the affine must be within {low:g}..{high:g} mm, got "
            f"{' × '.join(f'{length:g}' for length in lengths)} mm. Check the units of the affine."
        )
    cosines = (matrix[:3, :3] / lengths).T @ (matrix[:3, :3] / lengths) - np.eye(3)
    if np.abs(cosines).max() > ORTHOGONAL_WITHIN:
        raise VolumeError(
            f"{what}: the axes of the affine must be orthogonal, got a cosine of {np.abs(cosines).max():.3g} between "
            "two of them: it is sheared. Resample the image to a grid without shear."
        )
    return matrix


def spacing_of(affine: AnyArray) -> AnyArray:
    """Return the distance between neighbours along each index, mm (3,)."""
    return np.asarray(np.linalg.norm(affine[:3, :3], axis=0))


def transform(affine: AnyArray, points: AnyArray) -> AnyArray:
    """Map points (…, 3)."""
    return np.asarray(np.asarray(points) @ affine[:3, :3].T + affine[:3, 3])


def same_grid(first: AnyArray, second: AnyArray, shape: tuple[int, ...], *, within: float = 1e-2) -> bool:
    """Return whether two affines put every voxel of ``shape`` at one place, but for ``within`` of a voxel."""
    corners = np.stack(np.meshgrid(*((0, n - 1) for n in shape), indexing="ij"), -1).reshape(-1, 3)
    apart = np.abs(transform(first, corners) - transform(second, corners)).max()
    return bool(apart <= within * spacing_of(first).min())
