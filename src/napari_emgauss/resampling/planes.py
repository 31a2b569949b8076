"""Planes of a stack on a regular grid, of which only what is asked for is rendered."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_emgauss._types import AnyArray, ArrayLike3D, FloatArray, Region, Triple
from napari_emgauss.io.guard import array_bytes, check_room_in_memory
from napari_emgauss.resampling.box import SLACK, Ranges, box_of, check_region, check_z_range
from napari_emgauss.resampling.conversion import Conversion
from napari_emgauss.resampling.protocol import Renderable
from napari_emgauss.volume import Volume, check_voxel_size

THIN_PX = 4
"""Boxes of many planes and at most so many rows or columns are drawn line by line."""


class Planes:
    """A box of a stack on a grid and in a type of its own, rendered when it is indexed; behaves like a 3D array.

    It is what cropping the stack to the box and resampling it would give: the first voxel's centre is that of the
    box's first pixel in its first section. Integers, slices and ``...`` give NumPy arrays. The cost is that of what is
    asked for, also across z: ``[:, y, :]`` draws no whole planes. Between boxes the last digit may differ.

    Parameters
    ----------
    source
        What is rendered.
    voxel_size_nm
        Grid spacing (z, y, x); isotropic by default, at the finer of y and x.
    region
        Pixels (y0, y1, x0, x1), half-open; the whole section by default.
    z_range
        First and last section coordinate; the whole stack by default.
    dtype
        uint8, uint16, int16 or float32; the stack's by default.

    Raises
    ------
    ConfigError
        A region outside the section, or an unknown type.
    SectionRangeError
        Sections outside the stack, or in the wrong order.
    VoxelSizeError
        A spacing that is not three positive numbers.
    """

    ndim = 3

    def __init__(
        self,
        source: Renderable,
        voxel_size_nm: Triple | None = None,
        *,
        region: Region | None = None,
        z_range: tuple[float, float] | None = None,
        dtype: Any = None,
    ) -> None:
        self.source = source
        fine = min(source.voxel_size_nm[1:])
        self.voxel_size_nm = check_voxel_size((fine, fine, fine) if voxel_size_nm is None else voxel_size_nm)
        self.region = check_region(region, source.shape[1:])
        self.z_range = check_z_range(z_range, source.z_range)
        self.conversion = Conversion.of(source, dtype)
        self.dtype = self.conversion.target
        y0, y1, x0, x1 = self.region
        lengths = (self.z_range[1] - self.z_range[0], y1 - y0 - 1, x1 - x0 - 1)
        extents = zip(lengths, source.voxel_size_nm, self.voxel_size_nm, strict=True)
        counts = [math.floor(length * old / new + SLACK) + 1 for length, old, new in extents]
        self.shape = (counts[0], counts[1], counts[2])

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all voxels."""
        return self.size * self.dtype.itemsize

    @property
    def origin_nm(self) -> Triple:
        """Centre of the first voxel."""
        first = (self.z_range[0], *self._corner_px)
        z, y, x = (o + i * v for o, i, v in zip(self.source.origin_nm, first, self.source.voxel_size_nm, strict=True))
        return z, y, x

    def __getitem__(self, key: Any) -> Any:
        ranges, dropped = box_of(key, self.shape)
        return self._box(ranges)[tuple(0 if drop else slice(None) for drop in dropped)]

    def section_coordinate(self, k: int) -> float:
        """Return the section coordinate of plane ``k``."""
        z = self.z_range[0] + k * self.voxel_size_nm[0] / self.source.voxel_size_nm[0]
        return min(z, self.z_range[1])

    def coarse(self, samples: int) -> AnyArray:
        """Draw everything with about ``samples`` samples along each axis, but in full shape: for a first look in 3D."""
        steps = [max(1, math.ceil(n / samples)) for n in self.shape]
        sizes = list(zip(self.shape[1:], self.voxel_size_nm[1:], self._section_nm, steps[1:], strict=True))
        zoom = min(1.0, max(old / (new * step) for _, new, old, step in sizes))
        out = np.empty(self.shape, self.dtype)
        for first in range(0, len(self), steps[0]):
            layer = out[first : first + steps[0]]
            z = self.section_coordinate(first + len(layer) // 2)
            image = self.source.render(z, region=self.region, zoom=zoom)
            nearest = [
                ((np.arange(n) * new / old + 0.5) * zoom).astype(int).clip(max=drawn - 1)
                for (n, new, old, _), drawn in zip(sizes, image.shape, strict=True)
            ]
            layer[:] = self.conversion.apply(image[np.ix_(*nearest)])
        return out

    def volume(self, data: ArrayLike3D | None = None, *, export: Mapping[str, Any] | None = None) -> Volume:
        """Return the planes as a volume, rendered when they are read.

        Parameters
        ----------
        data
            The planes, where they are at hand; read instead of rendering them.
        export
            What else to keep about an export, besides `record`; nothing is recorded about it without.

        Raises
        ------
        VolumeError
            Fewer than two planes or 16 × 16 pixels.
        """
        record = dict(self.source.record)
        if export is not None:
            record["export"] = {**self.record(), **export}
        return Volume(self if data is None else data, self.voxel_size_nm, self.origin_nm, {"napari-emgauss": record})

    def record(self) -> dict[str, Any]:
        """Return where the planes lie and what was done to their intensities, as plain JSON values."""
        return {
            "voxel_size_nm": list(self.voxel_size_nm),
            "origin_nm": list(self.origin_nm),
            "sections": list(self.z_range),
            "region_px": list(self.region),
            "dtype": self.dtype.name,
            "intensity_gain": self.conversion.gain,
            "intensity_offset": self.conversion.offset,
        }

    def seconds_per_plane(self, n_planes: int = 3) -> float:
        """Measure the time of a plane here and now: the median of ``n_planes`` evenly chosen, after one to warm up."""
        chosen = np.linspace(0, len(self) - 1, n_planes + 2).round().astype(int)
        self[int(chosen[0])]
        times = []
        for k in chosen[1:-1]:
            start = time.perf_counter()
            self[int(k)]
            times.append(time.perf_counter() - start)
        return float(np.median(times))

    @property
    def _section_nm(self) -> tuple[float, float]:
        """Pixel size (y, x) of the sections."""
        return self.source.voxel_size_nm[1:]

    @property
    def _corner_px(self) -> tuple[int, int]:
        """First pixel (y, x) of the region."""
        return self.region[0], self.region[2]

    @property
    def _is_native(self) -> bool:
        """Whether the grid's pixels are the section's."""
        return self.voxel_size_nm[1:] == self._section_nm

    def _box(self, ranges: Ranges) -> AnyArray:
        planes, rows, columns = ranges
        check_room_in_memory(
            array_bytes((len(planes), len(rows), len(columns)), self.dtype.itemsize),
            what=f"a box of {len(planes)} × {len(rows)} × {len(columns)} voxels",
            remedy="Export to a file, which is written plane by plane, or take a part.",
        )
        if self._is_native and len(planes) > 1 and 0 < min(len(rows), len(columns)) <= THIN_PX:
            block = np.empty((len(planes), len(rows), len(columns)), self.dtype)
            if self._draw_lines([self.section_coordinate(k) for k in planes], ranges, block):
                return block
        return self.box(planes, rows, columns)

    def box(self, planes: range, rows: range, columns: range) -> AnyArray:
        """Draw a box plane by plane: the very numbers of whole planes, where the source's regions are such."""
        block = np.empty((len(planes), len(rows), len(columns)), self.dtype)
        if block.size == 0:
            return block
        for out, k in zip(block, planes, strict=True):
            out[:] = self.conversion.apply(self._draw_plane(self.section_coordinate(k), rows, columns))
        return block

    def _draw_lines(self, zs: Sequence[float], ranges: Ranges, block: AnyArray) -> bool:
        """Draw a thin box line by line; return False if the source has no such short cut."""
        axis = 1 if len(ranges[1]) <= len(ranges[2]) else 2
        across, along = (first + np.asarray(i) for first, i in zip(self._corner_px, ranges[1:], strict=True))
        if axis == 2:
            across, along = along, across
        for i, index in enumerate(across):
            lines = self.source.lines(zs, axis=axis, index=int(index))
            if lines is None:
                return False
            block[(slice(None), i) if axis == 1 else (slice(None), slice(None), i)] = self.conversion.apply(
                lines[:, along]
            )
        return True

    def _draw_plane(self, z: float, rows: range, columns: range) -> FloatArray:
        """Draw pixels of one plane."""
        steps = [new / old for new, old in zip(self.voxel_size_nm[1:], self._section_nm, strict=True)]
        margins = [0, 0] if self._is_native else [math.ceil(4 * _blur_px(step)) + 1 for step in steps]
        axes = zip((rows, columns), self._corner_px, steps, margins, self.source.shape[1:], strict=True)
        spans = [_span(*axis) for axis in axes]
        image = self.source.render(z, region=(*spans[0], *spans[1]))
        firsts = [corner - span[0] for corner, span in zip(self._corner_px, spans, strict=True)]
        if self._is_native:
            part: FloatArray = image[np.ix_(np.asarray(rows) + firsts[0], np.asarray(columns) + firsts[1])]
            return part
        y, x = (np.asarray(i) * step + first for i, step, first in zip((rows, columns), steps, firsts, strict=True))
        return _resample_plane(image, y, x, steps)


def _span(indices: range, corner: int, step: float, margin: int, size: int) -> tuple[int, int]:
    """Return the section's pixels that grid positions ``indices`` from ``corner`` need, half-open."""
    low, high = corner + min(indices) * step, corner + max(indices) * step
    return max(math.floor(low) - margin, 0), min(math.ceil(high) + margin + 1, size)


def _blur_px(step: float) -> float:
    """Return the Gaussian σ against aliasing where the grid is coarser than the section."""
    return 0.5 * math.sqrt(max(step**2 - 1, 0))


def _resample_plane(image: FloatArray, y_px: AnyArray, x_px: AnyArray, steps: list[float]) -> FloatArray:
    """Sample ``image`` at the crossings of ``y_px`` and ``x_px``, blurred first where ``steps`` are above a pixel."""
    smooth = gaussian_filter(image, [_blur_px(step) for step in steps])
    grid = np.meshgrid(y_px, x_px, indexing="ij")
    return np.asarray(map_coordinates(smooth, grid, order=1, mode="nearest"), np.float32)
