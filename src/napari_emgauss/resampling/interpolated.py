"""Stacks drawn by interpolation, plain or learned, at the whole stack's z."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, lru_cache, partial

import cv2
import numpy as np

from napari_emgauss._types import FloatArray, Region, Triple
from napari_emgauss.errors import OutOfMemoryError, VolumeError
from napari_emgauss.interpolation.plain import Baseline
from napari_emgauss.resampling.learned import LEARNED, LearnedInterpolation
from napari_emgauss.resampling.plain import PlainInterpolation
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.resampling.scaling import Scaling
from napari_emgauss.runtime.memory import available_bytes
from napari_emgauss.units import format_bytes
from napari_emgauss.volume import Volume


class InterpolatedStack:
    """A stack drawn by interpolation: a `Renderable`, as a reconstruction is.

    Parameters
    ----------
    volume
        The stack.
    method
        A `Baseline` or its name, or ``learned``: the prior alone.
    leave_out
        Damaged sections, which are interpolated from their neighbours.

    Raises
    ------
    VolumeError
        ``leave_out`` names the first or last section, or one that does not exist.
    """

    def __init__(self, volume: Volume, method: Baseline | str, *, leave_out: Sequence[int] = ()) -> None:
        inner = range(1, volume.n_sections - 1)
        if wrong := [index for index in leave_out if index not in inner]:
            raise VolumeError(
                f"leave_out must name sections within 1..{volume.n_sections - 2}, got {wrong}: nothing lies beyond the "
                "ends. Crop the stack instead."
            )
        observed = [index for index in range(volume.n_sections) if index not in set(leave_out)]
        self._interpolation: PlainInterpolation | LearnedInterpolation
        if method == LEARNED:
            self._interpolation = LearnedInterpolation(volume, observed)
        else:
            self._interpolation = PlainInterpolation(volume, observed, method)
        self.observed = tuple(observed)
        self.shape, self.dtype = volume.shape, volume.dtype
        self.voxel_size_nm, self.origin_nm = volume.voxel_size_nm, volume.origin_nm
        self.record = {"interpolated": self._interpolation.name, "observed": observed}
        self.z_range = (0.0, float(volume.n_sections - 1))
        self._latest = lru_cache(maxsize=1)(partial(_drawn, self._interpolation))

    def render(self, z: float, *, region: Region | None = None, zoom: float = 1.0) -> FloatArray:
        """Return the section at ``z``, or a region (y0, y1, x0, x1) of it; zoomed, it is resampled linearly."""
        y0, y1, x0, x1 = wanted = region or (0, self.shape[1], 0, self.shape[2])
        if isinstance(self._interpolation, PlainInterpolation):
            image = self._latest(float(z), (0, self.shape[1], 0, self.shape[2]))[y0:y1, x0:x1]
        else:
            image = self._latest(float(z), wanted)
        if zoom == 1:
            return image
        size = (max(1, round((x1 - x0) * zoom)), max(1, round((y1 - y0) * zoom)))
        kind = cv2.INTER_LINEAR if zoom > 1 else cv2.INTER_AREA
        return np.asarray(cv2.resize(image, size, interpolation=kind), np.float32)

    def lines(self, zs: Sequence[float], *, axis: int, index: int) -> FloatArray | None:
        """Return row (``axis`` 1) or column (2) ``index`` of the sections ``zs``, None where they are drawn whole.

        Plain ones are: optical flow is that of whole sections.
        """
        if isinstance(self._interpolation, PlainInterpolation):
            return None
        return self._interpolation.cut(zs, axis=axis, index=index)

    @cached_property
    def display_range(self) -> tuple[float, float]:
        """Intensities between which nearly all of the stack's lie."""
        scaling = Scaling.of(self._interpolation.volume, list(self.observed))
        return scaling.low, scaling.high

    def lazy(self, voxel_size_nm: Triple | None = None) -> Volume:
        """Return the stack on another grid, isotropic by default; every plane is interpolated when it is read."""
        return self.planes(voxel_size_nm).volume()

    def planes(self, voxel_size_nm: Triple | None = None) -> Planes:
        """Return the planes of `resample` as an array-like (Z, Y, X) that interpolates on demand."""
        return Planes(self, voxel_size_nm)

    def resample(self, voxel_size_nm: Triple | None = None) -> Volume:
        """Return what `lazy` does, in memory.

        Raises
        ------
        OutOfMemoryError
            It would not fit into the memory that is free.
        """
        volume = self.lazy(voxel_size_nm)
        need, free = math.prod(volume.shape) * volume.dtype.itemsize, available_bytes()
        if need > free:
            raise OutOfMemoryError(
                f"the interpolated volume takes {format_bytes(need)} and {format_bytes(free)} are free. "
                "Write it to a file instead: napari-emgauss interpolate."
            )
        return Volume(np.asarray(volume.data[:]), volume.voxel_size_nm, volume.origin_nm, volume.metadata)


def _drawn(interpolation: PlainInterpolation | LearnedInterpolation, z: float, region: Region) -> FloatArray:
    if isinstance(interpolation, PlainInterpolation):
        return interpolation.section(z)  # whole: optical flow is that of all
    return interpolation.section(z, region)
