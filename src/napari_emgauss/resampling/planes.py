"""A reconstruction as an array on a regular grid, of which only what is asked for is rendered."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray, Region, Triple
from napari_emgauss.resampling.scaling import to_dtype

EPSILON = 1e-6
"""Slack on section coordinates, for those computed from depths in floating point."""
THIN_PX = 4
"""Boxes of many planes and at most so many rows or columns are drawn line by line (see `cuts`)."""
Ranges = tuple[range, range, range]


class Renderable(Protocol):
    """What planes are drawn from: a `Reconstruction`, or anything else that draws sections of a stack."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """The observed stack's (sections, Y, X)."""

    @property
    def voxel_size_nm(self) -> Triple:
        """The observed stack's."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The observed stack's."""

    @property
    def z_range(self) -> tuple[float, float]:
        """First and last section coordinate."""

    def render(self, z: float, *, region: Region | None = None, zoom: float = 1.0) -> FloatArray:
        """As `Reconstruction.render`."""


class Planes:
    """Planes of a reconstruction on a regular grid, rendered when indexed; behaves like a 3D array.

    Integers, slices and ``...`` give NumPy arrays. The cost is that of the box asked for, also across z: ``[:, y, :]``
    draws no whole planes. Between boxes the last digit may differ.

    Parameters
    ----------
    reconstruction
        What is rendered.
    voxel_size_nm
        Grid spacing (z, y, x).
    """

    ndim = 3

    def __init__(self, reconstruction: Renderable, voxel_size_nm: Triple) -> None:
        self.reconstruction = reconstruction
        self.voxel_size_nm = voxel_size_nm
        extents = zip(reconstruction.shape, reconstruction.voxel_size_nm, voxel_size_nm, strict=True)
        counts = [math.floor((n - 1) * old / new + EPSILON) + 1 for n, old, new in extents]
        self.shape = (counts[0], counts[1], counts[2])
        self.dtype = reconstruction.dtype

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    def __getitem__(self, key: Any) -> AnyArray:
        ranges, dropped = box_of(key, self.shape)
        return self._box(ranges)[tuple(0 if drop else slice(None) for drop in dropped)]

    def section_coordinate(self, k: int) -> float:
        """Section coordinate of plane ``k``."""
        z = k * self.voxel_size_nm[0] / self.reconstruction.voxel_size_nm[0]
        return min(z, self.reconstruction.z_range[1])

    def coarse(self, samples: int) -> AnyArray:
        """All of it in full shape, but drawn with about ``samples`` samples along each axis: for a first look in 3D."""
        steps = [max(1, math.ceil(n / samples)) for n in self.shape]
        sizes = list(zip(self.shape[1:], self.voxel_size_nm[1:], self._section_nm, steps[1:], strict=True))
        zoom = min(1.0, max(old / (new * step) for _, new, old, step in sizes))
        out = np.empty(self.shape, self.dtype)
        for first in range(0, len(self), steps[0]):
            layer = out[first : first + steps[0]]
            image = self.reconstruction.render(self.section_coordinate(first + len(layer) // 2), zoom=zoom)
            nearest = [
                ((np.arange(n) * new / old + 0.5) * zoom).astype(int).clip(max=drawn - 1)
                for (n, new, old, _), drawn in zip(sizes, image.shape, strict=True)
            ]
            layer[:] = to_dtype(image[np.ix_(*nearest)], self.dtype)
        return out

    @property
    def _section_nm(self) -> tuple[float, float]:
        """Pixel size (y, x) of the sections."""
        return self.reconstruction.voxel_size_nm[1:]

    def _box(self, ranges: Ranges) -> AnyArray:
        planes, rows, columns = ranges
        block = np.empty((len(planes), len(rows), len(columns)), self.dtype)
        if block.size == 0:
            return block
        zs = [self.section_coordinate(k) for k in planes]
        thin = len(zs) > 1 and min(len(rows), len(columns)) <= THIN_PX
        if thin and self._is_native and self._lines(zs, ranges, block):
            return block
        for out, z in zip(block, zs, strict=True):
            out[:] = to_dtype(self._part(z, rows, columns), self.dtype)
        return block

    @property
    def _is_native(self) -> bool:
        """Whether the grid's pixels are the section's."""
        return self.voxel_size_nm[1:] == self._section_nm

    def _lines(self, zs: Sequence[float], ranges: Ranges, block: AnyArray) -> bool:
        """Draw a thin box line by line; False if this model has no such short cut."""
        from napari_emgauss.methods.emgauss.cuts import can_cut, cut

        if not can_cut(self.reconstruction):
            return False
        axis = 1 if len(ranges[1]) <= len(ranges[2]) else 2
        for i, index in enumerate(ranges[axis]):
            line = cut(self.reconstruction, zs, axis=axis, index=index)[:, np.asarray(ranges[3 - axis])]
            block[(slice(None), i) if axis == 1 else (slice(None), slice(None), i)] = to_dtype(line, self.dtype)
        return True

    def _part(self, z: float, rows: range, columns: range) -> FloatArray:
        """Pixels of one plane."""
        rec, sizes = self.reconstruction, self.reconstruction.shape[1:]
        steps = [n / o for n, o in zip(self.voxel_size_nm[1:], rec.voxel_size_nm[1:], strict=True)]
        margins = [0, 0] if self._is_native else [math.ceil(4 * _blur_px(step)) + 1 for step in steps]
        spans = [
            _span(indices, step, margin, size)
            for indices, step, margin, size in zip((rows, columns), steps, margins, sizes, strict=True)
        ]
        region: Region = (*spans[0], *spans[1])
        image = rec.render(z, region=region)
        if self._is_native:
            part: FloatArray = image[np.ix_(np.asarray(rows) - region[0], np.asarray(columns) - region[2])]
            return part
        y, x = (np.asarray(i) * step - span[0] for i, step, span in zip((rows, columns), steps, spans, strict=True))
        return _resample_plane(image, y, x, steps)


def box_of(key: Any, shape: Sequence[int]) -> tuple[Ranges, tuple[bool, bool, bool]]:
    """Indices along each axis that ``key`` asks for, and which axes it drops.

    Raises
    ------
    IndexError
        An index outside the array, too many of them, or something else than integers, slices and ``...``.
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(k is Ellipsis for k in keys):
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (len(shape) - len(keys) + 1)
    keys += [slice(None)] * (len(shape) - len(keys))
    if len(keys) != len(shape):
        raise IndexError(f"the array has {len(shape)} axes, but {len(keys)} were indexed by {key!r}.")
    ranges, dropped = [], []
    for k, size in zip(keys, shape, strict=True):
        dropped.append(not isinstance(k, slice))
        try:
            chosen = range(size)[k if isinstance(k, slice) else operator.index(k)]
        except TypeError:
            raise IndexError(f"only integers, slices and ... can index planes drawn on demand, got {k!r}.") from None
        ranges.append(chosen if isinstance(chosen, range) else range(chosen, chosen + 1))
    return (ranges[0], ranges[1], ranges[2]), (dropped[0], dropped[1], dropped[2])


def _span(indices: range, step: float, margin: int, size: int) -> tuple[int, int]:
    """Section pixels that grid positions ``indices`` need, half-open."""
    low, high = min(indices) * step, max(indices) * step
    return max(math.floor(low) - margin, 0), min(math.ceil(high) + margin + 1, size)


def _blur_px(step: float) -> float:
    """Gaussian σ against aliasing where the grid is coarser than the section."""
    return 0.5 * math.sqrt(max(step**2 - 1, 0))


def _resample_plane(image: FloatArray, y_px: AnyArray, x_px: AnyArray, steps: list[float]) -> FloatArray:
    """Sample ``image`` at the crossings of ``y_px`` and ``x_px``, blurred first where ``steps`` are above a pixel."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    smooth = gaussian_filter(image, [_blur_px(step) for step in steps])
    grid = np.meshgrid(y_px, x_px, indexing="ij")
    return np.asarray(map_coordinates(smooth, grid, order=1, mode="nearest"), np.float32)
