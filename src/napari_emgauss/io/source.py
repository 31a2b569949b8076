"""The description of a stack that a reader hands over, and its intensities on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray, ArrayLike3D, Triple
from napari_emgauss.errors import VolumeError
from napari_emgauss.io.guard import array_bytes, check_fits_memory, foreign_errors
from napari_emgauss.io.voxel_size import UNKNOWN, PartialTriple

DECODED_AT_ONCE_BYTES = 512 * 2**20
"""Stacks up to this size that need decoding are decoded once, when they are opened; larger ones when they are used."""
_CONVERTED = {"float64": "float32", "float16": "float32", "int8": "int16"}


@dataclass(frozen=True, kw_only=True)
class Source:
    """A stack in a file, described without reading its intensities."""

    shape: tuple[int, ...]
    """Number of voxels (z, y, x)."""
    dtype: np.dtype[Any]
    """Type as stored."""
    load: Callable[[], ArrayLike3D]
    """Returns the intensities, lazily where the format allows it."""
    found_nm: PartialTriple = UNKNOWN
    """Voxel size as far as the file states it."""
    origin_nm: Triple = (0.0, 0.0, 0.0)
    """Centre of voxel (0, 0, 0)."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """JSON values stored with the stack."""
    note: str = ""
    """Added to the error when the voxel size is incomplete."""


def supported_dtype(dtype: Any, path: Path) -> np.dtype[Any]:
    """Return the type that ``dtype`` is read as: native uint8, uint16, int16 or float32.

    float64 is rounded to float32; float16 and int8 are widened without loss.

    Raises
    ------
    VolumeError
        Any other type.
    """
    name = np.dtype(dtype).name
    name = _CONVERTED.get(name, name)
    if name not in ("uint8", "uint16", "int16", "float32"):
        raise VolumeError(
            f"{path.name} has intensities of type {name}; expected uint8, uint16, int16 or float32. "
            "Convert it, for example to 8 or 16 bit in Fiji (Image > Type) or with numpy's astype."
        )
    supported: np.dtype[Any] = np.dtype(name)
    return supported


def to_supported(block: AnyArray, dtype: np.dtype[Any]) -> AnyArray:
    """Convert to ``dtype``; float64 beyond float32's range becomes infinite, which is reported when it is used."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(block, dtype=dtype)


class LazyStack:
    """A (Z, Y, X) array that reads what is asked for: integers and slices on any axis.

    Parameters
    ----------
    fetch
        Called with three forward slices, returns that block as stored.
    shape
        Number of voxels (z, y, x).
    stored_dtype
        Type in the file; ``dtype`` is the supported one it is read as.
    path, kind
        Named in errors.
    sections_per_read
        How many sections are cheapest to read at once (the chunk's depth).
    """

    def __init__(
        self,
        fetch: Callable[[slice, slice, slice], AnyArray],
        *,
        shape: tuple[int, ...],
        stored_dtype: Any,
        path: Path,
        kind: str,
        sections_per_read: int = 1,
    ) -> None:
        self._fetch = fetch
        self.shape = tuple(int(n) for n in shape)
        self.dtype = supported_dtype(stored_dtype, path)
        self.chunks = (max(1, min(sections_per_read, self.shape[0])), *self.shape[1:])
        self._itemsize = max(self.dtype.itemsize, np.dtype(stored_dtype).itemsize)
        self._path = path
        self._kind = kind

    @property
    def ndim(self) -> int:
        """Always 3."""
        return 3

    @property
    def size(self) -> int:
        """Number of voxels."""
        return array_bytes(self.shape, 1)

    @property
    def nbytes(self) -> int:
        """Bytes if it were dense."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> AnyArray:
        forward, after = forward_slices(key, self.shape)
        counts = tuple(len(range(*s.indices(n))) for s, n in zip(forward, self.shape, strict=True))
        check_fits_memory(self._path, array_bytes(counts, self._itemsize), what="this part of the stack")
        with foreign_errors(self._path, self._kind):
            block = np.asarray(self._fetch(*forward))
            if block.shape != counts:
                raise ValueError(f"got a block of shape {block.shape} where {counts} was declared")
            return np.asarray(to_supported(block, self.dtype)[after])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        if copy is False:
            raise ValueError(f"{self._path.name} is read on demand and cannot become an array without a copy.")
        return np.asarray(self[:], dtype=dtype)


def forward_slices(key: Any, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[Any, ...]]:
    """Split ``key`` of an array into forward slices to read, one for each axis, and the indexing left to do on them."""
    n_axes = len(shape)
    keys = list(key) if isinstance(key, tuple) else [key]
    if sum(k is Ellipsis for k in keys) == 1:
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (n_axes + 1 - len(keys))
    keys += [slice(None)] * (n_axes - len(keys))
    if len(keys) != n_axes:
        raise IndexError(f"there are {n_axes} axes of lengths {shape}, got the index {key!r}.")
    forward: list[slice] = []
    after: list[int | slice] = []
    for item, n in zip(keys, shape, strict=True):
        if isinstance(item, slice):
            chosen = range(*item.indices(n))
            after.append(slice(None) if chosen.step > 0 else slice(None, None, -1))
            chosen = chosen if chosen.step > 0 else chosen[::-1]
            forward.append(slice(chosen.start, max(chosen.stop, chosen.start), chosen.step))
        else:
            index = int(item.__index__())
            if not -n <= index < n:
                raise IndexError(f"index {index} is outside an axis of length {n}.")
            index %= n
            forward.append(slice(index, index + 1, 1))
            after.append(0)
    return tuple(forward), tuple(after)
