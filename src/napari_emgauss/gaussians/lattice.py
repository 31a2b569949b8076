"""Cubic lattices of points around what was measured: where 3D Gaussians start, coarse to fine."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import OutOfMemoryError
from napari_emgauss.runtime.memory import available_bytes
from napari_emgauss.units import format_bytes

SCALE = 0.6
"""Standard deviation of a lattice's Gaussians by its spacing: flat fields are drawn flat within 0.5 %."""
OVERLAP = (2 * math.pi) ** 1.5 * SCALE**3
"""Sum of a lattice's Gaussians of amplitude 1, at any point inside."""
_BYTES_PER_NODE = 16


@dataclass(frozen=True, eq=False)
class Lattice:
    """Nodes of a cubic lattice through the origin.

    Parameters
    ----------
    spacing
        Distance between neighbours.
    start
        Indices (3,) of the first corner of ``occupied``.
    occupied
        Which nodes belong to it, a boolean box.
    """

    spacing: float
    start: AnyArray
    occupied: AnyArray

    @classmethod
    def around(cls, points: AnyArray, spacing: float, *, margin: float) -> Lattice:
        """Return the nodes within ``margin`` of any of the points (m, 3).

        Raises
        ------
        OutOfMemoryError
            So fine a lattice does not fit in half of the memory that is free.
        """
        pad = math.ceil(margin / spacing) + 1
        low, high = np.floor(points.min(0) / spacing) - pad, np.ceil(points.max(0) / spacing) + pad
        shape = (high - low + 1).astype(np.int64)
        needed = math.prod(int(n) for n in shape) * _BYTES_PER_NODE
        if needed > available_bytes() // 2:
            raise OutOfMemoryError(
                f"Gaussians {spacing:g} mm apart in a box of {' × '.join(f'{n * spacing:.0f}' for n in shape)} mm take "
                f"{format_bytes(needed)}; {format_bytes(available_bytes())} of memory are free. "
                "Choose smaller masks, or a larger voxel_size_mm."
            )
        hit = np.zeros(shape, bool)
        hit[tuple((np.rint(points / spacing) - low).astype(np.int64).T)] = True
        return cls(spacing, low.astype(np.int64), distance_transform_edt(~hit, sampling=spacing) <= margin)

    @classmethod
    def through(cls, positions: AnyArray, spacing: float) -> Lattice:
        """Return the lattice with these nodes (n, 3), in the order in which it lists them."""
        indices = np.rint(np.asarray(positions, np.float64) / spacing).astype(np.int64)
        start = indices.min(0)
        occupied = np.zeros(indices.max(0) - start + 1, bool)
        occupied[tuple((indices - start).T)] = True
        return cls(spacing, start, occupied)

    @property
    def positions(self) -> AnyArray:
        """The nodes (n, 3)."""
        return np.asarray((np.argwhere(self.occupied) + self.start) * self.spacing)

    @property
    def affine(self) -> AnyArray:
        """Map (4, 4) from an index of ``occupied`` to a place."""
        affine = np.diag([self.spacing] * 3 + [1.0])
        affine[:3, 3] = self.start * self.spacing
        return affine

    def pairs(self) -> AnyArray:
        """Return the pairs (p, 2) of nodes that are next to each other: those along the first axis come first."""
        return np.concatenate([self.pairs_along(axis) for axis in range(3)])

    def pairs_along(self, axis: int) -> AnyArray:
        """Return the pairs (p, 2) of nodes that are next to each other along an axis."""
        number = np.full(self.occupied.shape, -1, np.int64)
        number[self.occupied] = np.arange(int(self.occupied.sum()))
        lower, upper = (np.moveaxis(number, axis, 0)[part].ravel() for part in (slice(None, -1), slice(1, None)))
        both = (lower >= 0) & (upper >= 0)
        return np.stack([lower[both], upper[both]], 1)
