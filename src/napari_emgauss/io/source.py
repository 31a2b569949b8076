"""The description of a stack that a reader hands over, and its intensities on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray, ArrayLike3D, Triple
from napari_emgauss.errors import VolumeError
from napari_emgauss.io.guard import InputFiles, array_bytes, check_fits_memory, foreign_errors
from napari_emgauss.io.location import Place
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


def supported_dtype(dtype: Any, path: Place) -> np.dtype[Any]:
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


Fetch = Callable[[slice, slice, slice], AnyArray]
"""Returns the block that three forward slices stand for, as stored."""
_SHORT_ROW_BYTES = 2**14
"""Rows up to this length are read whole: as fast as a part of them."""


class PlainArray:
    """An array that lies in a file as it is, read by reading: a memory map of a file that shrinks ends the process.

    Parameters
    ----------
    path, offset
        Where it begins.
    dtype
        Type as stored, byte order included.
    shape
        Number of voxels (z, y, x).
    """

    def __init__(self, path: Path, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self._path, self._offset, self._dtype, self._shape = path, offset, dtype, shape

    def fetch(self, sections: slice, rows: slice, columns: slice) -> AnyArray:
        """Return a block, as stored."""
        wide = self._shape[2] * self._dtype.itemsize > _SHORT_ROW_BYTES
        cut = slice(columns.start, columns.stop) if wide else slice(0, self._shape[2])
        within = slice(columns.start - cut.start, columns.stop - cut.start, columns.step)
        chosen = range(sections.start, sections.stop, sections.step)
        counts = [len(range(s.start, s.stop, s.step)) for s in (rows, columns)]
        block = np.empty((len(chosen), *counts), self._dtype)
        with self._path.open("rb", buffering=0) as file:
            for out, z in zip(block, chosen, strict=True):
                out[:] = self._section(file, z, rows, cut)[:: rows.step, within]
        return block

    def _section(self, file: Any, z: int, rows: slice, columns: slice) -> AnyArray:
        """Read neighbouring rows of a section, at once if they are wanted whole."""
        _, height, width = self._shape
        n_rows, n_columns = max(rows.stop - rows.start, 0), max(columns.stop - columns.start, 0)
        part = np.empty((n_rows, n_columns), self._dtype)
        whole = n_columns == width
        for row in range(0, n_rows, max(n_rows, 1) if whole else 1):
            into = part if whole else part[row]
            at = (z * height + rows.start + row) * width + columns.start
            file.seek(self._offset + at * self._dtype.itemsize)
            read_exactly(file, into.reshape(-1).view(np.uint8).data)
        return part


def read_exactly(file: Any, buffer: memoryview) -> None:
    """Fill ``buffer`` from a file; raises ``ValueError`` where it ends before."""
    done = 0
    while done < len(buffer):
        n = file.readinto(buffer[done:])
        if not n:
            raise ValueError(f"the file ends {len(buffer) - done} bytes too early")
        done += n


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
    files
        Watched: what is read while they change is an error.
    sections_per_read
        How many sections are cheapest to read at once (the chunk's depth).
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        shape: tuple[int, ...],
        stored_dtype: Any,
        path: Place,
        kind: str,
        files: InputFiles | None = None,
        sections_per_read: int = 1,
    ) -> None:
        self._fetch = fetch
        self.shape = tuple(int(n) for n in shape)
        self.dtype = supported_dtype(stored_dtype, path)
        self.chunks = (max(1, min(sections_per_read, self.shape[0])), *self.shape[1:])
        self._itemsize = max(self.dtype.itemsize, np.dtype(stored_dtype).itemsize)
        self._path = path
        self._files = files
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
            block = np.asarray(self._read(forward))
            if block.shape != counts:
                raise ValueError(f"got a block of shape {block.shape} where {counts} was declared")
            return np.asarray(to_supported(block, self.dtype)[after])

    def _read(self, key: tuple[slice, ...]) -> AnyArray:
        """Read a block, and make sure that it was there all the time: many libraries fill what is gone with zeros."""
        files = self._files
        if files is None:
            return self._fetch(*key)
        try:
            block = self._fetch(*key)
        except Exception:
            files.check()  # says more than a library that met half a file
            raise
        files.check()
        return block

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
