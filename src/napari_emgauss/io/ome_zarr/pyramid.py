"""A multiscale pyramid built in one pass: each level averages the planes that the finer one hands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray, Triple

_COARSEST_PX = 128
_MAX_LEVELS = 8
_SLAB_BYTES = 64 * 2**20
_CHUNK = (16, 256, 256)


@dataclass(frozen=True, kw_only=True)
class LevelSpec:
    """Shape and place of one level."""

    shape: tuple[int, int, int]
    voxel_size_nm: Triple
    origin_nm: Triple
    reduction: tuple[int, int, int]
    """How many voxels (z, y, x) of the finer level one voxel averages."""

    def chunks(self, itemsize: int) -> tuple[int, int, int]:
        """Return the shape of chunks; flat for very wide sections, since as many planes are held in memory."""
        plane_bytes = self.shape[1] * self.shape[2] * itemsize
        depth = max(1, min(_CHUNK[0], self.shape[0], _SLAB_BYTES // plane_bytes))
        return depth, min(_CHUNK[1], self.shape[1]), min(_CHUNK[2], self.shape[2])


def plan_levels(shape: tuple[int, int, int], voxel_size_nm: Triple, origin_nm: Triple) -> list[LevelSpec]:
    """Return levels from the finest to one of about 128 px, halving only the axes that are still the finest.

    An averaged voxel's centre lies (reduction − 1) / 2 voxels inside, so the origin moves.
    """
    specs = [LevelSpec(shape=shape, voxel_size_nm=voxel_size_nm, origin_nm=origin_nm, reduction=(1, 1, 1))]
    while len(specs) < _MAX_LEVELS and max(specs[-1].shape) > _COARSEST_PX:
        last = specs[-1]
        finest = min(v for v, n in zip(last.voxel_size_nm, last.shape, strict=True) if n > 1)
        pairs = list(zip(last.shape, last.voxel_size_nm, strict=True))
        z, y, x = (2 if n > 1 and v < 1.5 * finest else 1 for n, v in pairs)
        reduction = (z, y, x)
        if all(n <= _COARSEST_PX for n, r in zip(last.shape, reduction, strict=True) if r > 1):
            break
        specs.append(_reduced(last, reduction))
    return specs


def _reduced(last: LevelSpec, reduction: tuple[int, int, int]) -> LevelSpec:
    z, y, x = (-(-n // r) for n, r in zip(last.shape, reduction, strict=True))
    dz, dy, dx = (v * r for v, r in zip(last.voxel_size_nm, reduction, strict=True))
    oz, oy, ox = (o + v * (r - 1) / 2 for o, v, r in zip(last.origin_nm, last.voxel_size_nm, reduction, strict=True))
    return LevelSpec(shape=(z, y, x), voxel_size_nm=(dz, dy, dx), origin_nm=(oz, oy, ox), reduction=reduction)


class Level:
    """One level of a pyramid being written: takes planes in order, writes chunk-deep slabs, hands averages on.

    Parameters
    ----------
    spec
        This level.
    array
        Where to write, indexable by z slices.
    dtype
        Type of the intensities; integer averages are rounded.
    coarser
        The next level, or None.
    """

    def __init__(self, spec: LevelSpec, array: Any, dtype: np.dtype[Any], *, coarser: Level | None) -> None:
        self.reduction = spec.reduction
        self._array = array
        self._dtype = np.dtype(dtype.name)
        self._coarser = coarser
        self._depth = int(array.chunks[0])
        self._slab = np.empty((self._depth, *spec.shape[1:]), self._dtype)
        self._held = 0
        self._written = 0
        self._pending: list[AnyArray] = []

    def push(self, plane: AnyArray) -> None:
        """Take the next plane."""
        self._slab[self._held] = plane
        self._held += 1
        if self._held == self._depth:
            self._flush()
        if self._coarser is not None:
            self._pending.append(plane)
            if len(self._pending) == self._coarser.reduction[0]:
                self._hand_on(self._coarser)

    def finish(self) -> None:
        """Write what is left, here and in all coarser levels."""
        if self._held:
            self._flush()
        if self._coarser is not None:
            if self._pending:
                self._hand_on(self._coarser)
            self._coarser.finish()

    def _flush(self) -> None:
        self._array[self._written : self._written + self._held] = self._slab[: self._held]
        self._written += self._held
        self._held = 0

    def _hand_on(self, coarser: Level) -> None:
        plane = averaged(self._pending, coarser.reduction, self._dtype)
        self._pending.clear()
        coarser.push(plane)


def averaged(planes: Sequence[AnyArray], reduction: tuple[int, int, int], dtype: np.dtype[Any]) -> AnyArray:
    """Return the coarser plane of up to ``reduction[0]`` planes; integers are rounded."""
    _, ry, rx = reduction
    mean = np.mean([average_xy(plane, ry, rx) for plane in planes], axis=0, dtype=np.float32)
    coarse: AnyArray = np.rint(mean).astype(dtype) if dtype.kind in "iu" else mean.astype(dtype)
    return coarse


def average_xy(plane: AnyArray, ry: int, rx: int) -> AnyArray:
    """Return the mean of ``ry`` × ``rx`` blocks as float32; the last row and column repeat to fill a block."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % ry), (0, -width % rx)), mode="edge") if height % ry or width % rx else plane
    blocks = padded.reshape(padded.shape[0] // ry, ry, padded.shape[1] // rx, rx)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))
