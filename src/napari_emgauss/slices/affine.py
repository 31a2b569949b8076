"""Affine maps between the indices of an array and millimetres."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import VolumeError

Orientation = Literal["axial", "coronal", "sagittal"]
WORLD_AXES: Mapping[str, tuple[int, int, int]] = {"axial": (2, 1, 0), "coronal": (1, 2, 0), "sagittal": (0, 2, 1)}
"""World axes (0 right, 1 front, 2 up) along (slice, row, column)."""
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
            f"{what}: the affine must be 4 × 4, finite, with the last row 0 0 0 1, got {matrix.tolist()}. "
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


def placed_affine(shape: tuple[int, ...], spacing_mm: AnyArray, orientation: Orientation) -> AnyArray:
    """Return the affine of a stack (slice, row, column) that lies along the world's axes, around its origin.

    Raises
    ------
    VolumeError
        An unknown orientation.
    """
    if orientation not in WORLD_AXES:
        raise VolumeError(f"orientation must be one of {', '.join(WORLD_AXES)}, got {orientation!r}.")
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, WORLD_AXES[orientation]] * spacing_mm
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) - 1) / 2
    return affine
