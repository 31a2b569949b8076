"""Pages of a TIFF of which only the strips or tiles that a region touches are decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.io.guard import array_bytes, check_decoded_size

_PACKING = {8: "zlib", 32946: "zlib", 34925: "lzma", 50000: "zstd"}
"""Codecs by their numbers in TIFF, as far as what they unpack to can be told before."""


def check_segments(path: Path, pages: Sequence[Any]) -> None:
    """Raise ``ValueError`` if a strip or tile of one of ``pages`` would unpack to far more than it should."""
    with path.open("rb") as file:
        for page in pages:
            key = page.keyframe
            at_most = 2 * array_bytes(key.chunks, key.dtype.itemsize)
            for offset, n_bytes in zip(page.dataoffsets, page.databytecounts, strict=False):
                file.seek(offset)
                check_decoded_size(file, n_bytes, _PACKING.get(int(key.compression), ""), at_most=at_most)


@dataclass(frozen=True, kw_only=True)
class SegmentedPages:
    """Where the strips or tiles of each section lie, and how they are decoded."""

    path: Path
    """The file; opened for each read."""

    keyframe: Any
    """tifffile's description that all pages share."""

    places: tuple[tuple[tuple[int, int], ...], ...]
    """(offset, number of bytes) of each segment of each page."""

    @classmethod
    def of(cls, path: Path, series: Sequence[Any]) -> SegmentedPages | None:
        """Return the sections of a stack; None if its pages are not decoded alike, or only by an optional package."""
        pages = [page for one in series for page in one.pages]
        keyframe = pages[0].keyframe
        if keyframe.ndim != 2 or any(page.keyframe.hash != keyframe.hash for page in pages):
            return None
        places = tuple(tuple(zip(page.dataoffsets, page.databytecounts, strict=True)) for page in pages)
        found = cls(path=path, keyframe=keyframe, places=places)
        try:
            with path.open("rb") as file:
                found._segment(file, 0, 0)
        except ValueError as error:
            if "imagecodecs" in str(error):
                return None
            raise
        return found

    @property
    def n_decoded(self) -> int:
        """Bytes of one segment, decoded."""
        return array_bytes(self.keyframe.chunks, self.keyframe.dtype.itemsize)

    def fetch(self, sections: slice, rows: slice, columns: slice) -> AnyArray:
        """Return a block of the stack, as stored."""
        with self.path.open("rb") as file:
            parts = [self._part(file, z, rows, columns) for z in range(sections.start, sections.stop, sections.step)]
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        block = np.stack(parts) if parts else np.empty((0, *shape), self.keyframe.dtype)
        return block[:, :: rows.step, :: columns.step]

    def _part(self, file: BinaryIO, page: int, rows: slice, columns: slice) -> AnyArray:
        (tall, wide), (_, across) = self.keyframe.chunks, self.keyframe.chunked
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        part: AnyArray = np.full(shape, self.keyframe.nodata, self.keyframe.dtype)
        for k in range(rows.start // tall, -(-rows.stop // tall)):
            for m in range(columns.start // wide, -(-columns.stop // wide)):
                segment = self._segment(file, page, k * across + m)
                if segment is None:  # a sparse file leaves it out
                    continue
                into_y, from_y = _overlap(k * tall, segment.shape[0], rows)
                into_x, from_x = _overlap(m * wide, segment.shape[1], columns)
                part[into_y, into_x] = segment[from_y, from_x]
        return part

    def _segment(self, file: BinaryIO, page: int, index: int) -> AnyArray | None:
        offset, n_bytes = self.places[page][index]
        if not n_bytes:
            return None
        file.seek(offset)
        check_decoded_size(file, n_bytes, _PACKING.get(int(self.keyframe.compression), ""), at_most=2 * self.n_decoded)
        file.seek(offset)
        data = file.read(n_bytes)
        if len(data) != n_bytes:
            raise ValueError(f"section {page} ends after {len(data)} of {n_bytes} bytes of a segment")
        decoded, _, _ = self.keyframe.decode(data, index, jpegtables=self.keyframe.jpegtables)
        return np.asarray(decoded)[0, :, :, 0]


def _overlap(start: int, length: int, wanted: slice) -> tuple[slice, slice]:
    """Return where a segment lies among the pixels wanted, and which of its pixels these are."""
    first, stop = max(start, wanted.start), min(start + length, wanted.stop)
    return slice(first - wanted.start, stop - wanted.start), slice(first - start, stop - start)
