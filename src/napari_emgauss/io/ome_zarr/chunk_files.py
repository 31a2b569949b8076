"""Chunks of an array as the files that they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.guard import HARMLESS_BYTES, InputFiles, array_bytes, check_decoded_size, missing_chunks
from napari_emgauss.io.ome_zarr.shards import ShardParts
from napari_emgauss.units import format_bytes

MOST_LISTED_CHUNKS = 2**18
"""Arrays of more chunks are not searched for missing ones when they are opened."""
_METADATA = ("zarr.json", ".zarray")


class ChunkFiles:
    """Files of an array's chunks: counted when it is opened, and looked at when they are read.

    Zarr reads a chunk that is not there as its fill value, and what a chunk unpacks to whatever its size.

    Parameters
    ----------
    store
        Folder of the image: no chunk may lie outside.
    array, folder
        The array, and where its chunks are.
    packing
        Name of the codec that packs them, or their parts; None where none does.
    """

    def __init__(self, store: Path, array: Any, folder: Path, packing: str | None) -> None:
        self._store, self._array, self._folder = store, array, folder
        self._chunk = tuple(int(n) for n in getattr(array, "shards", None) or array.chunks)
        self.grid = tuple(-(-int(n) // m) for n, m in zip(array.shape, self._chunk, strict=True))
        self.n_bytes = array_bytes(self._chunk, np.dtype(array.dtype).itemsize)
        """Of one chunk, unpacked."""
        self.files = InputFiles(store, [folder / name for name in _METADATA if (folder / name).is_file()])
        self._packing, self._parts = packing, ShardParts(array) if getattr(array, "shards", None) else None
        self._looked_into = set[tuple[Path, int, int]]()
        self._absent = self._find_absent() if array_bytes(self.grid, 1) <= MOST_LISTED_CHUNKS else None

    def missing(self) -> dict[str, str]:
        """Return what to tell of chunks that were not there from the beginning."""
        return missing_chunks(len(self._absent or ()), array_bytes(self.grid, 1), self._array.metadata.fill_value)

    def read(self, index: tuple[int | slice, ...]) -> AnyArray:
        """Return what a NumPy array would at integers and forward slices."""
        spans = [slice(i, i + 1) if isinstance(i, int) else i for i in index]
        touched = [range(s.start // n, -(-s.stop // n)) for s, n in zip(spans, self._chunk, strict=True)]
        places = list(product(*touched)) if all(s.stop > s.start for s in spans) else []
        self._check_safe(places)
        block = self._together(spans) if len(places) * self.n_bytes <= HARMLESS_BYTES else self._apart(spans, places)
        self._check_there(places)
        return block[tuple(0 if isinstance(i, int) else slice(None, None, i.step) for i in index)]

    def _together(self, spans: Sequence[slice]) -> AnyArray:
        return np.asarray(self._array[tuple(slice(s.start, s.stop) for s in spans)])

    def _apart(self, spans: Sequence[slice], places: Sequence[tuple[int, ...]]) -> AnyArray:
        # Zarr unpacks many chunks at once: more than may fit.
        whole = np.empty([s.stop - s.start for s in spans], self._array.dtype)
        for place in places:
            own = [
                slice(max(s.start, k * n), min(s.stop, (k + 1) * n))
                for s, k, n in zip(spans, place, self._chunk, strict=True)
            ]
            into = tuple(slice(o.start - s.start, o.stop - s.start) for o, s in zip(own, spans, strict=True))
            whole[into] = self._array[tuple(own)]
        return whole

    def _check_safe(self, places: Sequence[tuple[int, ...]]) -> None:
        """Raise unless the chunks at these places lie inside the store and unpack to what they should."""
        for place in places:
            file = self._file(place)
            if file.is_symlink() and not file.resolve().is_relative_to(self._store.resolve()):
                raise FileFormatError(f"{self._store} links to {file.resolve()}, which lies outside and is not opened.")
            if file.exists() and not file.is_file():
                raise FileFormatError(
                    f"{self._store}: {self._name(place)} is no file (a pipe, a folder or a device), and is not opened."
                    " Copy the stack again."
                )
            if file.exists():
                self._look_into(file)

    def _look_into(self, file: Path) -> None:
        """Raise unless a file is no larger than a chunk can be, nor becomes so; shards are looked into once."""
        at_most, status = max(2 * self.n_bytes, HARMLESS_BYTES), file.stat()
        if status.st_size > at_most:
            raise ValueError(
                f"a chunk of it has {format_bytes(status.st_size)}, at most {format_bytes(at_most)} can be"
            )
        if self._parts is None and self._packing is not None:
            with file.open("rb") as packed:
                check_decoded_size(packed, status.st_size, self._packing, at_most=at_most)
        known = (file, status.st_size, status.st_mtime_ns)
        if self._parts is not None and known not in self._looked_into:
            with file.open("rb") as packed:
                self._parts.check(packed, self._packing)
            self._looked_into.add(known)

    def _check_there(self, places: Sequence[tuple[int, ...]]) -> None:
        """Raise unless all chunks at these places are there that were."""
        if self._absent is None:
            return
        gone = sum(place not in self._absent and not self._file(place).is_file() for place in places)
        if gone:
            raise FileFormatError(
                f"{self._store}: {gone} chunk{'s are' if gone > 1 else ' is'} no longer there. The array was deleted, "
                "or its disk is no longer connected. Bring it back and start again."
            )

    def _find_absent(self) -> frozenset[tuple[int, ...]]:
        held = {
            (Path(folder) / name).relative_to(self._folder).as_posix()
            for folder, _, names in os.walk(self._folder)
            for name in names
        }
        return frozenset(place for place in np.ndindex(self.grid) if self._name(place) not in held)

    def _file(self, place: tuple[int, ...]) -> Path:
        return self._folder / self._name(place)

    def _name(self, place: tuple[int, ...]) -> str:
        return str(self._array.metadata.encode_chunk_key(place))
