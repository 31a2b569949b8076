"""Chunks of an array in a store that reads those that are not there as its fill value."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.guard import HARMLESS_BYTES, array_bytes, missing_chunks
from napari_emgauss.io.remote.store import RemoteFolder, explained

LOGGER = logging.getLogger(__name__)
MOST_LISTED, MOST_ASKED = 2**16, 2**10
"""Arrays of more chunks are not searched for missing ones when they are opened: where the store lists its files, and
where it has to be asked for each, as a web server has."""
_CANNOT_TELL = (NotImplementedError, ValueError, OSError, RuntimeError)
"""What the library raises where files cannot be listed, or that is not allowed."""
Place = tuple[int, ...]
"""Of a chunk in the grid of an array's chunks."""


class StoredChunks:
    """Which chunks of an array are there: found when it is opened where that is quick, and looked at when it is read.

    Parameters
    ----------
    folder
        Of the stack.
    array
        A TensorStore array of the driver n5, zarr or zarr3, which was opened in it.
    """

    def __init__(self, folder: RemoteFolder, array: Any) -> None:
        self._folder, self._url, self._store = folder, folder.url, array.kvstore
        self._chunk = tuple(int(n) for n in array.chunk_layout.write_chunk.shape or array.shape)
        self._at_most = max(2 * array_bytes(self._chunk, array.dtype.numpy_dtype.itemsize), HARMLESS_BYTES)
        self._in_parts = array.chunk_layout.read_chunk.shape != array.chunk_layout.write_chunk.shape
        self.grid = tuple(-(-int(n) // m) for n, m in zip(array.shape, self._chunk, strict=True))
        self._metadata = array.spec().to_json()["metadata"]
        self._fill = 0 if array.fill_value is None else array.fill_value
        self._seen = set[Place]()
        self._absent = self._find_absent()
        self._looked_at = set[Place]()

    def missing(self) -> dict[str, str]:
        """Return what to tell of chunks that were not there from the beginning."""
        return missing_chunks(len(self._absent or ()), array_bytes(self.grid, 1), self._fill)

    def look_at(self, index: tuple[int | slice, ...]) -> None:
        """Make sure that what the server sends for a window has an end, before it is read.

        Raises
        ------
        ConnectionError
            It has none, or is far larger than chunks of this array can be.
        """
        spans = [slice(i, i + 1) if isinstance(i, int) else i for i in index]
        touched = product(*(range(s.start // n, -(-s.stop // n)) for s, n in zip(spans, self._chunk, strict=True)))
        self._ask([place for place in touched if place not in self._seen])

    def check(self, index: tuple[int | slice, ...], window: AnyArray) -> None:
        """Make sure that what was read as nothing but fill values is there.

        Raises
        ------
        FileFormatError
            Chunks are gone that were there when the array was opened.
        """
        if window.size == 0 or (window != self._fill).all():
            return
        spans = [slice(i, i + 1) if isinstance(i, int) else i for i in index]
        whole = window.reshape([s.stop - s.start for s in spans])
        empty = set[Place]()
        for place in product(*(range(s.start // n, -(-s.stop // n)) for s, n in zip(spans, self._chunk, strict=True))):
            own = tuple(
                slice(max(k * n - s.start, 0), (k + 1) * n - s.start)
                for k, n, s in zip(place, self._chunk, spans, strict=True)
            )
            if (whole[own] == self._fill).all():
                empty.add(place)
        gone = self._not_there(empty - (self._absent or frozenset()) - self._looked_at)
        self._looked_at |= empty.difference(gone if self._absent is not None else ())
        if not gone:
            return
        are = "chunks are" if len(gone) > 1 else "chunk is"
        if self._absent is not None:
            raise FileFormatError(
                f"{self._url}: {len(gone)} {are} no longer there. The array was deleted, or its disk is no longer "
                "connected. Bring it back and start again."
            )
        LOGGER.warning("%s: %d %s not there and read as %s.", self._url, len(gone), are, self._fill)

    def _find_absent(self) -> frozenset[Place] | None:
        """Return the chunks that are not there, None where it would take long to know."""
        n, places = array_bytes(self.grid, 1), list[Place]()
        if n <= MOST_LISTED:
            places = list(np.ndindex(self.grid))
            with suppress(*_CANNOT_TELL):
                held = {key.decode() for key in self._store.list().result()}
                return frozenset(place for place in places if self._key(place) not in held)
        if n <= MOST_ASKED:
            told = self._ask(places)
            with suppress(*_CANNOT_TELL):
                unknown = self._not_there(place for place in places if place not in told)
                return frozenset(unknown).union(place for place, is_there in told.items() if not is_there)
        return None

    def _ask(self, places: Sequence[Place]) -> dict[Place, bool]:
        """Have a first look at chunks; returns which are there, of those of which a server tells."""
        if len(self._seen) > MOST_LISTED:
            self._seen.clear()
        self._seen.update(places)
        keys = {self._key(place): place for place in places}
        found = self._folder.first_look(keys, self._at_most, in_parts=self._in_parts)
        return {keys[key]: is_there for key, is_there in found.items()}

    def _not_there(self, places: Iterable[Place]) -> list[Place]:
        """Return those of the chunks that the store does not have, by asking for a byte of each."""
        with explained(self._url):
            answers = {place: self._store.read(self._key(place), byte_range=slice(0, 1)) for place in places}
            return [place for place, answer in answers.items() if answer.result().state == "missing"]

    def _key(self, place: Place) -> str:
        """Return the name of a chunk's file."""
        parts, known = list(map(str, place)), self._metadata
        if "blockSize" in known:  # N5
            return "/".join(parts)
        if "chunks" in known:  # Zarr 2
            return str(known.get("dimension_separator", ".")).join(parts)
        encoding = known["chunk_key_encoding"]
        is_default = encoding["name"] == "default"
        separator = encoding.get("configuration", {}).get("separator", "/" if is_default else ".")
        return str(separator).join(["c", *parts] if is_default else parts)
