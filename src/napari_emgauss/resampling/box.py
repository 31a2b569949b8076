"""A part of a reconstruction on a grid and in a type of its own, rendered plane by plane."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray, ArrayLike3D, FloatArray, Region, Triple
from napari_emgauss.errors import ConfigError, SectionRangeError
from napari_emgauss.methods.emgauss.reconstruction import Reconstruction
from napari_emgauss.resampling.planes import EPSILON, _blur_px, _resample_plane
from napari_emgauss.resampling.scaling import to_dtype
from napari_emgauss.volume import SUPPORTED_DTYPES, Volume, check_voxel_size


@dataclass(frozen=True)
class Conversion:
    """Intensities of the stack to those of another type: value · gain + offset, then rounded and clipped if integer.

    They are kept wherever the type can hold all values of the stack's type; otherwise the range in which 99.8 % of
    the stack's values lie is spread over the whole range of the type.
    """

    source: np.dtype[Any]
    target: np.dtype[Any]
    low: float
    high: float
    gain: float = 1.0
    offset: float = 0.0

    @classmethod
    def of(cls, reconstruction: Reconstruction, dtype: Any = None) -> Conversion:
        """Conversion from the reconstruction's type to ``dtype`` (by default its own)."""
        source = reconstruction.dtype
        target = source if dtype is None else np.dtype(dtype)
        if target.name not in SUPPORTED_DTYPES:
            raise ConfigError(f"dtype must be one of {', '.join(SUPPORTED_DTYPES)}, got {target.name}.")
        low, high = reconstruction.scaling.low, reconstruction.scaling.high
        if target == source or np.can_cast(source, target, "safe"):
            return cls(source, target, low, high)
        bottom, top = np.iinfo(target).min, np.iinfo(target).max
        gain = (top - bottom) / (high - low)
        return cls(source, target, low, high, gain, bottom - low * gain)

    @property
    def keeps(self) -> bool:
        """Whether intensities keep their values, up to rounding."""
        return self.gain == 1.0 and self.offset == 0.0

    def apply(self, image: FloatArray) -> AnyArray:
        """Intensities of the stack's units as the target type."""
        return to_dtype(image if self.keeps else image * np.float32(self.gain) + np.float32(self.offset), self.target)

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """Contrast limits that show the same as ``low`` and ``high`` do in the stack."""
        ends = [self.gain * v + self.offset for v in (low, high)]
        if self.target.kind != "f" and not self.keeps:
            info = np.iinfo(self.target)
            ends = [min(max(v, float(info.min)), float(info.max)) for v in ends]
        return (ends[0], ends[1]) if ends[1] > ends[0] else (ends[0], ends[0] + 1)

    def describe(self) -> str:
        """What happens to the intensities, in a sentence."""
        if not self.keeps:
            info = np.iinfo(self.target)
            return (
                f"Intensities {self.low:.6g} to {self.high:.6g} (99.8 % of the stack's) become {info.min} to "
                f"{info.max}; darker and brighter ones are cut off."
            )
        if self.target.kind == "f":
            return "Intensities keep their values" + ("." if self.source.kind == "f" else " and are not rounded.")
        return "Intensities keep their values, rounded to whole numbers."


class Part:
    """A box of a reconstruction as an array (Z, Y, X) whose planes are rendered when they are read.

    It is what cropping the stack to the box and resampling it would give: the first voxel's centre is that of the
    box's first pixel in its first section.

    Parameters
    ----------
    reconstruction
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
        reconstruction: Reconstruction,
        voxel_size_nm: Triple | None = None,
        *,
        region: Region | None = None,
        z_range: tuple[float, float] | None = None,
        dtype: Any = None,
    ) -> None:
        rec = self.reconstruction = reconstruction
        fine = min(rec.voxel_size_nm[1:])
        self.voxel_size_nm = check_voxel_size((fine, fine, fine) if voxel_size_nm is None else voxel_size_nm)
        self.region = _checked_region(region, rec.shape[1:])
        self.z_range = _checked_z_range(z_range, rec.z_range)
        self.conversion = Conversion.of(rec, dtype)
        self.dtype = self.conversion.target
        y0, y1, x0, x1 = self.region
        lengths = (self.z_range[1] - self.z_range[0], y1 - y0 - 1, x1 - x0 - 1)
        counts = [
            math.floor(length * old / new + EPSILON) + 1
            for length, old, new in zip(lengths, rec.voxel_size_nm, self.voxel_size_nm, strict=True)
        ]
        self.shape = (counts[0], counts[1], counts[2])

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def n_bytes(self) -> int:
        """Bytes of all voxels."""
        return self.size * self.dtype.itemsize

    @property
    def origin_nm(self) -> Triple:
        """Centre of the first voxel."""
        first = (self.z_range[0], self.region[0], self.region[2])
        rec = self.reconstruction
        z, y, x = (o + i * v for o, i, v in zip(rec.origin_nm, first, rec.voxel_size_nm, strict=True))
        return z, y, x

    def volume(self, data: ArrayLike3D | None = None, metadata: Mapping[str, Any] | None = None) -> Volume:
        """The part as a volume; ``data`` instead of rendering on demand where all planes are at hand.

        Raises
        ------
        VolumeError
            Fewer than two planes or 16 × 16 pixels.
        """
        record = {**self.reconstruction.record, "export": {**self.record(), **(metadata or {})}}
        return Volume(self if data is None else data, self.voxel_size_nm, self.origin_nm, {"napari-emgauss": record})

    def record(self) -> dict[str, Any]:
        """Where the part lies and what was done to its intensities: plain JSON values."""
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
        """Time that a plane takes here and now: the median of ``n_planes`` evenly chosen, after one to warm up."""
        chosen = np.linspace(0, len(self) - 1, n_planes + 2).round().astype(int)
        self[int(chosen[0])]
        times = []
        for k in chosen[1:-1]:
            start = time.perf_counter()
            self[int(k)]
            times.append(time.perf_counter() - start)
        return float(np.median(times))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> AnyArray:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, slice):
            indices = range(*first.indices(len(self)))
            block = np.empty((len(indices), *self.shape[1:]), self.dtype)
            for out, k in zip(block, indices, strict=True):
                out[:] = self._plane(k)
            return block[(slice(None), *rest)] if rest else block
        plane = self._plane(range(len(self))[first])
        return plane[tuple(rest)] if rest else plane

    def _plane(self, k: int) -> AnyArray:
        rec = self.reconstruction
        z = min(self.z_range[0] + k * self.voxel_size_nm[0] / rec.voxel_size_nm[0], self.z_range[1])
        steps = [new / old for new, old in zip(self.voxel_size_nm[1:], rec.voxel_size_nm[1:], strict=True)]
        if steps == [1.0, 1.0]:
            return self.conversion.apply(rec.render(z, region=self.region))
        drawn = _widened(self.region, [math.ceil(4 * _blur_px(step)) + 1 for step in steps], rec.shape[1:])
        y, x = (
            self.region[i] - drawn[i] + np.arange(n) * step
            for i, n, step in zip((0, 2), self.shape[1:], steps, strict=True)
        )
        return self.conversion.apply(_resample_plane(rec.render(z, region=drawn), y, x, steps))


def _widened(region: Region, margin: list[int], size: tuple[int, int]) -> Region:
    y0, y1, x0, x1 = region
    return (
        max(0, y0 - margin[0]),
        min(size[0], y1 + margin[0]),
        max(0, x0 - margin[1]),
        min(size[1], x1 + margin[1]),
    )


def _checked_region(region: Region | None, size: tuple[int, int]) -> Region:
    if region is None:
        return 0, size[0], 0, size[1]
    y0, y1, x0, x1 = (int(v) for v in region)
    if (y0, y1, x0, x1) != tuple(region) or not (0 <= y0 < y1 <= size[0] and 0 <= x0 < x1 <= size[1]):
        raise ConfigError(
            f"region must be whole pixels (y0, y1, x0, x1) with 0 <= y0 < y1 <= {size[0]} and "
            f"0 <= x0 < x1 <= {size[1]}, got {region}."
        )
    return y0, y1, x0, x1


def _checked_z_range(z_range: tuple[float, float] | None, limits: tuple[float, float]) -> tuple[float, float]:
    if z_range is None:
        return limits
    first, last = (float(z) for z in z_range)
    if not limits[0] <= first < last <= limits[1]:
        raise SectionRangeError(
            f"z_range must be a first and a later last section within {limits[0]:g}..{limits[1]:g}, got {z_range}."
        )
    return first, last
