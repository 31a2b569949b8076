"""Grids and volumes in world millimetres."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import OutOfMemoryError, VolumeError
from napari_emgauss.runtime.memory import available_bytes
from napari_emgauss.slices.affine import check_affine, spacing_of, transform
from napari_emgauss.units import format_bytes

_POINTS_AT_ONCE = 2**20
_ROUNDING = 1e-6
"""Of an index."""


@dataclass(frozen=True, eq=False)
class WorldGrid:
    """Voxels (z, y, x) in space.

    Parameters
    ----------
    shape
        Number of voxels (z, y, x).
    affine
        4 × 4; maps an index (z, y, x) to world millimetres (RAS: x to the right, y to the front, z up).

    Raises
    ------
    VolumeError
        A shape or an affine that is none.
    """

    shape: tuple[int, int, int]
    affine: AnyArray

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise VolumeError(f"a grid has three positive lengths (z, y, x), got {self.shape!r}.")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", check_affine(self.affine, "grid"))

    @classmethod
    def around(cls, points_mm: AnyArray, voxel_size_mm: float, *, margin_mm: float = 0.0) -> WorldGrid:
        """Return the isotropic grid along the world's axes that holds the points (n, 3), and a margin around them.

        Raises
        ------
        VolumeError
            The voxel size is not positive, or there are no points.
        OutOfMemoryError
            The voxels would not fit in half of the memory that is free.
        """
        points = np.asarray(points_mm, np.float64).reshape(-1, 3)
        if not (math.isfinite(voxel_size_mm) and voxel_size_mm > 0):
            raise VolumeError(f"voxel_size_mm must be positive, got {voxel_size_mm!r}. Give it like voxel_size_mm=0.8.")
        if not len(points):
            raise VolumeError("a grid needs points to lie around, got none. Give masks that are not empty.")
        low, high = points.min(0) - margin_mm, points.max(0) + margin_mm
        n = np.ceil((high - low) / voxel_size_mm).astype(np.int64) + 1
        needed = math.prod(int(v) for v in n) * 4
        if needed > available_bytes() // 2:
            raise OutOfMemoryError(
                f"{voxel_size_mm:g} mm makes {' × '.join(map(str, n[::-1]))} voxels, {format_bytes(needed)}; "
                f"{format_bytes(available_bytes())} of memory are free. Choose larger voxels or smaller masks."
            )
        start = (low + high) / 2 - voxel_size_mm * (n - 1) / 2
        affine = np.eye(4)
        affine[:3, :3] = voxel_size_mm * np.eye(3)[:, ::-1]
        affine[:3, 3] = start
        return cls((int(n[2]), int(n[1]), int(n[0])), affine)

    @property
    def spacing_mm(self) -> AnyArray:
        """Size of a voxel (z, y, x)."""
        return spacing_of(self.affine)

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    def positions(self, planes: slice = slice(None)) -> AnyArray:
        """Return where the voxels' centres are, (Z, Y, X, 3) in mm; of all, or of some planes z."""
        axes = [np.arange(n) for n in self.shape]
        axes[0] = axes[0][planes]
        return transform(self.affine, np.stack(np.meshgrid(*axes, indexing="ij"), -1))

    def indices(self, points_mm: AnyArray) -> AnyArray:
        """Return the fractional indices (…, 3) of points."""
        return transform(np.linalg.inv(self.affine), points_mm)

    def moved(self, matrix: AnyArray) -> WorldGrid:
        """Return the grid after a rigid matrix (4, 4)."""
        return WorldGrid(self.shape, matrix @ self.affine)


@dataclass(frozen=True, eq=False)
class WorldVolume:
    """A volume in world millimetres.

    Parameters
    ----------
    values
        (z, y, x), float32.
    affine
        4 × 4; maps an index (z, y, x) to world millimetres (RAS).

    Raises
    ------
    VolumeError
        Values that have not three axes, an affine that is none.
    """

    values: FloatArray
    affine: AnyArray

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.values, np.float32)
        if values.ndim != 3:
            raise VolumeError(f"a volume has three axes (z, y, x), got the shape {values.shape}.")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "affine", check_affine(self.affine, "volume"))

    @property
    def grid(self) -> WorldGrid:
        """Its voxels in space."""
        z, y, x = self.values.shape
        return WorldGrid((z, y, x), self.affine)

    @property
    def spacing_mm(self) -> AnyArray:
        """Size of a voxel (z, y, x)."""
        return spacing_of(self.affine)

    def sample(self, points_mm: AnyArray, *, order: int = 1, outside: float = 0.0) -> FloatArray:
        """Return the values at points (…, 3) as float32 (…), by splines of an order (1: trilinear, 3: cubic).

        Points outside the volume have the value ``outside``.
        """
        points = np.asarray(points_mm)
        flat = points.reshape(-1, 3)
        inverse = np.linalg.inv(self.affine)
        out = np.empty(len(flat), np.float32)
        values, last = self._coefficients(order), np.array(self.values.shape)[:, None] - 1
        for start in range(0, len(flat), _POINTS_AT_ONCE):
            at = transform(inverse, flat[start : start + _POINTS_AT_ONCE]).T
            # The border belongs to the volume, whatever rounding makes of it.
            at = np.where(np.abs(at - (onto := np.clip(at, 0, last))) < _ROUNDING, onto, at)
            out[start : start + _POINTS_AT_ONCE] = map_coordinates(
                values, at, order=order, mode="constant", cval=outside, prefilter=False
            )
        return out.reshape(points.shape[:-1])

    def _coefficients(self, order: int) -> FloatArray:
        if order <= 1:
            return self.values
        kept: dict[int, FloatArray] = self.__dict__.setdefault("_splines", {})
        if order not in kept:
            from scipy.ndimage import spline_filter

            kept[order] = np.asarray(spline_filter(self.values, order, output=np.float32, mode="mirror"))
        return kept[order]

    def resampled(self, grid: WorldGrid, *, order: int = 1, outside: float = 0.0) -> WorldVolume:
        """Return the values on another grid."""
        values = np.empty(grid.shape, np.float32)
        for z in range(grid.shape[0]):
            values[z] = self.sample(grid.positions(slice(z, z + 1)), order=order, outside=outside)[0]
        return WorldVolume(values, grid.affine)
