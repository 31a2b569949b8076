"""A stack of sections with its voxel size: the one thing every layer above exchanges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from napari_emgauss._types import AnyArray, ArrayLike3D, FloatArray, Region, Triple
from napari_emgauss.errors import VolumeError, VoxelSizeError
from napari_emgauss.units import format_bytes

SUPPORTED_DTYPES = ("uint8", "uint16", "int16", "float32")
MIN_SECTIONS = 2
MIN_SECTION_PX = 16
MAX_SIDE = 2**20
"""Longest plausible axis, in voxels."""
VOXEL_SIZES_NM = (1e-3, 1e8)
MAX_ANISOTROPY = 1000.0
"""Plausible voxels: from a fraction of an atom to ten centimetres, and no longer than this times their width."""
BAND_BYTES = 16 * 2**20
BAND_ROWS = 256
"""Bands have a multiple of this many rows, as chunks of files do."""


class VolumeSource(Protocol):
    """A name by which a volume can be read again; it can be pickled, which the volume's data may not be."""

    def open(self) -> Volume:
        """Return the volume."""
        ...


@dataclass(frozen=True, eq=False)
class Volume:
    """A (Z, Y, X) array with its voxel size.

    Parameters
    ----------
    data
        NumPy array, or anything with ``shape``, ``dtype`` and ``__getitem__`` that returns NumPy arrays for
        integer and slice keys (a zarr array stays lazy). uint8, uint16, int16 or float32.
    voxel_size_nm
        Spacing (z, y, x) in nanometres, all positive.
    origin_nm
        Position of the centre of voxel (0, 0, 0) in nanometres.
    metadata
        Where the data came from; plain JSON values.
    source
        Where another process can read the very same volume again.

    Raises
    ------
    VolumeError
        Wrong number of axes, type or size.
    VoxelSizeError
        Spacing that is not three positive finite numbers.
    """

    data: ArrayLike3D
    voxel_size_nm: Triple
    origin_nm: Triple = (0.0, 0.0, 0.0)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    source: VolumeSource | None = None

    def __post_init__(self) -> None:
        if not (hasattr(self.data, "shape") and hasattr(self.data, "dtype")):
            raise VolumeError(
                f"data must be a NumPy array or offer shape, dtype and indexing, got {type(self.data).__name__}. "
                "Pass numpy.asarray(data)."
            )
        check_stack_shape(tuple(self.data.shape), self.data.dtype)
        object.__setattr__(self, "voxel_size_nm", check_voxel_size(self.voxel_size_nm))
        try:
            origin = tuple(float(v) for v in self.origin_nm)
        except (TypeError, ValueError):
            origin = ()
        if len(origin) != 3 or not all(map(math.isfinite, origin)):
            raise VolumeError(
                f"origin_nm must be three finite numbers (z, y, x), got {self.origin_nm!r}. Leave it out for (0, 0, 0)."
            )
        object.__setattr__(self, "origin_nm", origin)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels (z, y, x)."""
        z, y, x = self.data.shape
        return int(z), int(y), int(x)

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy type of the intensities."""
        dtype: np.dtype[Any] = np.dtype(self.data.dtype)
        return dtype

    @property
    def n_sections(self) -> int:
        """Number of sections."""
        return self.shape[0]

    @property
    def factor(self) -> float:
        """Anisotropy dz / dx."""
        return self.voxel_size_nm[0] / self.voxel_size_nm[2]

    def describe(self) -> str:
        """Return a line like '12 sections of 512 × 512, 50 × 4 × 4 nm, 12.5× anisotropic → 551 × 512 × 512, 144 MB'."""
        n, height, width = self.shape
        dz, dy, dx = self.voxel_size_nm
        fine = min(dy, dx)
        planes, rows, columns = (
            math.floor((size - 1) * old / fine + 1e-6) + 1 for size, old in zip(self.shape, (dz, dy, dx), strict=True)
        )
        return (
            f"{n} sections of {height} × {width}, {dz:g} × {dy:g} × {dx:g} nm, {dz / fine:.3g}× anisotropic "
            f"→ {planes} × {rows} × {columns}, {format_bytes(planes * rows * columns * self.dtype.itemsize)}"
            + (f"; {missing}" if (missing := self.metadata.get("missing")) else "")
        )

    def section(self, index: int, region: Region | None = None) -> AnyArray:
        """Return a section, or a part of it, as a NumPy array (Y, X) of the volume's own type.

        Parameters
        ----------
        index
            The section, counted from 0.
        region
            Pixels (y0, y1, x0, x1), half-open. Nothing else is read, as far as the data can be read in parts.

        Raises
        ------
        VolumeError
            The section or the region is outside the stack, or what was read contains NaN or infinite values.
        """
        image = self.recorded(index, region)
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            bad = int((~np.isfinite(image)).sum())
            raise VolumeError(
                f"section {index} has {bad} NaN or infinite values; intensities must be finite. "
                f"Replace them (for example with numpy.nan_to_num) or {self.without(index)}."
            )
        return image

    def without(self, index: int) -> str:
        """Return what a user can do to be rid of a section: an end of the stack cannot be left out."""
        return "crop the stack" if index in (0, self.n_sections - 1) else "leave the section out"

    def recorded(self, index: int, region: Region | None = None) -> AnyArray:
        """Return what `section` returns, NaN and infinite values included: for those who judge them."""
        if not 0 <= index < self.n_sections:
            raise VolumeError(f"section must be within 0..{self.n_sections - 1}, got {index}.")
        if region is None:
            return np.asarray(self.data[index])
        y0, y1, x0, x1 = region
        _, height, width = self.shape
        if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
            raise VolumeError(
                f"region must be y0 y1 x0 x1 with 0 <= y0 < y1 <= {height} and 0 <= x0 < x1 <= {width}, got "
                f"{tuple(region)}. Cut it to the section."
            )
        return np.asarray(self.data[index, y0:y1, x0:x1])

    def bands(self) -> list[Region]:
        """Return regions of whole rows that make up a section, from top to bottom: to walk through it part by part."""
        _, height, width = self.shape
        rows = max(BAND_BYTES // (width * self.dtype.itemsize) // BAND_ROWS, 1) * BAND_ROWS
        return [(y0, min(y0 + rows, height), 0, width) for y0 in range(0, height, rows)]

    def every(self, factor: int) -> Volume:
        """Return the stack with sections 0, factor, 2·factor, … only: simulated anisotropy (a view where possible)."""
        if factor < 1:
            raise VolumeError(f"factor must be a positive integer, got {factor}.")
        dz, dy, dx = self.voxel_size_nm
        return Volume(self.data[::factor], (dz * factor, dy, dx), self.origin_nm, self.metadata)

    def as_float(self) -> FloatArray:
        """Return all sections as one float32 array (Z, Y, X) in the input's intensity units, checked to be finite."""
        out = np.empty(self.shape, np.float32)
        for index in range(self.n_sections):
            out[index] = self.section(index)
        return out


def check_voxel_size(voxel_size_nm: Any) -> Triple:
    """Return ``voxel_size_nm`` as three floats, or raise `VoxelSizeError` with the remedy."""
    remedy = "Give it in nanometres as z y x, for example --voxel-size-nm 40 4 4 or voxel_size_nm=(40, 4, 4)."
    try:
        values = tuple(float(v) for v in voxel_size_nm)
    except (TypeError, ValueError):
        raise VoxelSizeError(
            f"voxel_size_nm must be three numbers (z, y, x), got {voxel_size_nm!r}. {remedy}"
        ) from None
    if len(values) != 3:
        raise VoxelSizeError(f"voxel_size_nm must be three numbers (z, y, x), got {voxel_size_nm!r}. {remedy}")
    if not all(math.isfinite(v) and v > 0 for v in values):
        raise VoxelSizeError(f"voxel_size_nm must be positive and finite, got {voxel_size_nm!r}. {remedy}")
    low, high = VOXEL_SIZES_NM
    if not (low <= min(values) and max(values) <= high and max(values) <= MAX_ANISOTROPY * min(values)):
        raise VoxelSizeError(
            f"voxel_size_nm {voxel_size_nm!r} is not plausible: lengths are within {low:g}..{high:g} nm, and none is "
            f"{MAX_ANISOTROPY:g} times another. {remedy}"
        )
    return values[0], values[1], values[2]


def check_stack_shape(shape: tuple[int, ...], dtype: Any) -> None:
    """Raise `VolumeError` unless ``shape`` and ``dtype`` are those of a usable grey-level stack."""
    if len(shape) == 4 and shape[-1] in (3, 4):
        raise VolumeError(
            f"expected a grey-level stack (Z, Y, X), got an RGB image of shape {shape}. Convert it to grey."
        )
    if len(shape) != 3:
        raise VolumeError(
            f"expected three axes (Z, Y, X), got {len(shape)} in shape {shape}. Pick one channel and time point."
        )
    if shape[-1] in (3, 4) and min(shape[:2]) >= MIN_SECTION_PX:
        raise VolumeError(
            f"shape {shape} looks like a single RGB image; expected a grey-level stack (Z, Y, X). Convert it to grey."
        )
    if np.dtype(dtype).name not in SUPPORTED_DTYPES:
        raise VolumeError(
            f"intensities must be one of {', '.join(SUPPORTED_DTYPES)}, got {np.dtype(dtype).name}. "
            "Convert the stack first."
        )
    if shape[0] < MIN_SECTIONS:
        raise VolumeError(f"a stack needs at least {MIN_SECTIONS} sections, got {shape[0]} in shape {shape}.")
    if max(shape) > MAX_SIDE:
        raise VolumeError(f"the shape {shape} is not plausible: no axis is longer than {MAX_SIDE}. Crop the stack.")
    if min(shape[1:]) < MIN_SECTION_PX:
        raise VolumeError(
            f"sections must be at least {MIN_SECTION_PX} × {MIN_SECTION_PX} px, got {shape[1]} × {shape[2]}."
        )
