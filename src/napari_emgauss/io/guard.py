"""Precautions of every reader, for files are untrusted: bounds of sizes, and foreign exceptions turned into ours."""

from __future__ import annotations

import bz2
import lzma
import math
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from napari_emgauss.errors import FileFormatError, OutOfMemoryError, VolumeError
from napari_emgauss.io.location import Place, Url
from napari_emgauss.runtime.memory import available_bytes
from napari_emgauss.units import format_bytes

MAX_METADATA_BYTES = 16 * 2**20


@contextmanager
def foreign_errors(path: Place, kind: str, *, remedy: str = "Save or copy it again.") -> Iterator[None]:
    """Turn whatever a file library raises on a damaged ``kind`` file into a `FileFormatError` naming ``path``."""
    try:
        yield
    except (VolumeError, FileFormatError, OutOfMemoryError):
        raise
    except OSError as error:
        if not isinstance(path, Url):
            raise _foreign(path, kind, error, remedy) from error
        raise  # a network's errors say what to do
    except Exception as error:
        raise _foreign(path, kind, error, remedy) from error


def _foreign(path: Place, kind: str, error: Exception, remedy: str) -> FileFormatError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return FileFormatError(
        f"{path} cannot be read as {kind}: {reason}. It is truncated, damaged or of another kind. {remedy}"
    )


class InputFiles:
    """Files of a stack, which must stay what they were when it was opened.

    Parameters
    ----------
    stack
        Named in errors.
    files
        Those that are read, or that tell whether the stack is there.
    """

    def __init__(self, stack: Path, files: Iterable[Path]) -> None:
        self._stack = stack
        self._known = {file: _identity(file) for file in files}

    def check(self, files: Iterable[Path] | None = None) -> None:
        """Raise `FileFormatError` if one of ``files``, all by default, is gone, was replaced or written to."""
        for file in self._known if files is None else files:
            named = f"{self._stack}: {file.name} is" if file != self._stack else f"{file} is"
            try:
                now = _identity(file)
            except OSError as error:
                raise FileFormatError(
                    f"{named} no longer there ({error.strerror or error}). It was deleted, or its disk is no longer "
                    "connected. Bring it back and start again."
                ) from error
            if now != self._known[file]:
                raise FileFormatError(
                    f"{named} not what it was when it was opened: it has changed. Open it again, once nothing writes "
                    "to it any more."
                )


def check_plain(folder: Path) -> None:
    """Raise `FileFormatError` if anything in a folder that this program fills is a link, a pipe or a device.

    What is written there would go elsewhere, and what is read there come from elsewhere, or never come to an end.
    """
    left = [str(folder)]
    while left:
        with suppress(FileNotFoundError), os.scandir(left.pop()) as entries:  # others may be at work in it
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
                else:
                    check_plain_file(entry)


def check_plain_file(entry: os.DirEntry[str]) -> None:
    """Raise `FileFormatError` if what is in the place of a file of this program is none, or elsewhere."""
    if not entry.is_file(follow_symlinks=False) and os.path.lexists(entry.path):
        raise FileFormatError(
            f"{entry.path} is a link, or no file (a folder, a pipe or a device), and is neither read nor written. Put "
            "what belongs there in its place, or delete it."
        )


def _identity(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def array_bytes(shape: tuple[int, ...], itemsize: int) -> int:
    """Return the bytes of an array, exact for any declared shape."""
    return math.prod(int(n) for n in shape) * itemsize


def check_file_holds(path: Path, needed: int, *, declared: str) -> None:
    """Raise unless the file is at least ``needed`` bytes long."""
    actual = path.stat().st_size
    if needed > actual:
        raise FileFormatError(
            f"{path} is truncated or damaged: its header declares {declared}, which needs {format_bytes(needed)}, "
            f"but the file has {format_bytes(actual)}. Copy or save it again."
        )


_SMALLER = "Crop it, or convert it to OME-Zarr, MRC or uncompressed TIFF, which are read piece by piece."


def check_fits_memory(path: Place, needed: int, *, what: str = "the stack", remedy: str = _SMALLER) -> None:
    """Raise unless ``needed`` bytes are available, before anything is allocated."""
    free = available_bytes()
    if needed > free:
        raise OutOfMemoryError(
            f"{path}: {what} needs {format_bytes(needed)} of memory, {format_bytes(free)} are available. {remedy}"
        )


def check_decoded_size(file: BinaryIO, n_bytes: int, kind: str, *, at_most: int) -> None:
    """Raise ``ValueError`` if what is packed would become more than ``at_most`` bytes, before it does.

    Parameters
    ----------
    file, n_bytes
        The packed bytes begin where the file stands.
    kind
        gzip, zlib, bz2, lzma, zstd, blosc or lz4, as numcodecs names them, or lzf; others are not looked into.
    at_most
        `HARMLESS_BYTES` are always allowed.
    """
    at_most = max(at_most, HARMLESS_BYTES)
    if kind in _DECLARED_BYTES and n_bytes >= _HEADER_BYTES:
        header = file.read(_HEADER_BYTES)
        decoded = _DECLARED_BYTES[kind](header)
        if kind == "zstd" and not decoded:  # as it is written where the size is not known before
            decoded = _zstd_counted(header + file.read(n_bytes - _HEADER_BYTES), at_most)
    elif kind in _COUNTED_BYTES and n_bytes * LARGEST_RATIO[kind] > at_most:
        decoded = _COUNTED_BYTES[kind](file.read(n_bytes), at_most)
    else:
        return
    if decoded > at_most:
        raise ValueError(
            f"{format_bytes(n_bytes)} of it unpack to {format_bytes(decoded)} or more, where at most "
            f"{format_bytes(at_most)} can be"
        )


def _inflated(data: bytes, at_most: int) -> int:
    """Count what zlib or gzip data become, piece by piece, until it is more than ``at_most``."""
    inflating, decoded = zlib.decompressobj(_ZLIB_OR_GZIP), 0
    while data and decoded <= at_most:
        decoded += len(inflating.decompress(data, _PIECE_BYTES))
        data = inflating.unconsumed_tail
    return decoded


def _unpacked(unpacking: Any, data: bytes, at_most: int) -> int:
    """Count likewise, by a decompressor of bz2 or lzma."""
    decoded = len(unpacking.decompress(data, _PIECE_BYTES))
    while decoded <= at_most and not (unpacking.eof or unpacking.needs_input):
        decoded += len(unpacking.decompress(b"", _PIECE_BYTES))
    return decoded


def _lzf_inflated(data: bytes, at_most: int) -> int:
    """Add up what the runs and repeats of LZF become, until it is more than ``at_most``."""
    at, decoded = 0, 0
    while at + 2 < len(data) and decoded <= at_most:
        run, long = data[at], data[at] >= 224
        decoded += run + 1 if run < 32 else 2 + (7 + data[at + 1] if long else run >> 5)
        at += run + 2 if run < 32 else 3 if long else 2
    return decoded


def _zstd_declared(data: bytes) -> int:
    """Return the size that a zstd frame declares, 0 where it does not."""
    return _zstd_header(data)[0]


def _zstd_header(data: bytes) -> tuple[int, int]:
    """Return the size that a zstd frame declares, 0 where it does not, and where its first block begins."""
    flag, alone = data[4] >> 6, bool(data[4] & 0x20)
    start = 5 + (0 if alone else 1) + (0, 1, 2, 4)[data[4] & 3]
    n_bytes = (1 if alone else 0, 2, 4, 8)[flag]
    return int.from_bytes(data[start : start + n_bytes], "little") + (256 if n_bytes == 2 else 0), start + n_bytes


def _zstd_counted(data: bytes, at_most: int) -> int:
    """Add up what the blocks of zstd frames can become at most, until it is more than ``at_most``."""
    at, decoded = 0, 0
    while at + _ZSTD_SHORTEST <= len(data) and decoded <= at_most:
        if data[at : at + 4] != _ZSTD:  # frames to be skipped, or damage
            at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
            continue
        has_checksum, at, is_last = data[at + 4] >> 2 & 1, at + _zstd_header(data[at : at + _HEADER_BYTES])[1], 0
        while not is_last and at + 3 <= len(data) and decoded <= at_most:
            block = int.from_bytes(data[at : at + 3], "little")
            is_last, kind, size = block & 1, block >> 1 & 3, block >> 3
            decoded += size if kind < _ZSTD_PACKED else _ZSTD_BLOCK_BYTES
            at += 3 + (1 if kind == _ZSTD_REPEATED else size)
        at += 4 * has_checksum
    return decoded


HARMLESS_BYTES = 256 * 2**20
_PIECE_BYTES = 2**20
_HEADER_BYTES = 18
_ZLIB_OR_GZIP = 47
_ZSTD, _ZSTD_SHORTEST, _ZSTD_BLOCK_BYTES = b"\x28\xb5\x2f\xfd", 9, 2**17
_ZSTD_REPEATED, _ZSTD_PACKED = 1, 2
"""Kinds of blocks: one byte that is repeated, and the first of those whose size is known when they are unpacked."""
_DECLARED_BYTES: dict[str, Callable[[bytes], int]] = {
    "zstd": _zstd_declared,
    "blosc": lambda header: int.from_bytes(header[4:8], "little"),
    "lz4": lambda header: int.from_bytes(header[:4], "little"),
}
_COUNTED_BYTES: dict[str, Callable[[bytes, int], int]] = {
    "zlib": _inflated,
    "gzip": _inflated,
    "lzf": _lzf_inflated,
    "bz2": lambda data, at_most: _unpacked(bz2.BZ2Decompressor(), data, at_most),
    "lzma": lambda data, at_most: _unpacked(lzma.LZMADecompressor(), data, at_most),
}
LARGEST_RATIO = {"zlib": 1032, "gzip": 1032, "lzf": 88, "bz2": 10**6, "lzma": 10**4}


def check_room_in_memory(needed: int, *, what: str, remedy: str) -> None:
    """Raise `OutOfMemoryError` if ``needed`` bytes are more than half of what is available: others need memory too."""
    free = available_bytes()
    if needed > free // 2:
        raise OutOfMemoryError(
            f"{what} takes {format_bytes(needed)} of memory, {format_bytes(free)} are free. {remedy}"
        )


def missing_chunks(count: int, of: int, fill: Any) -> dict[str, str]:
    """Return what a stack's metadata tell of chunks that are not there, and are read as ``fill``."""
    return {"missing": f"{count} of {of} chunks are not there and read as {fill or 0}"} if count else {}


def json_object(value: Any) -> dict[str, Any]:
    """Return ``value`` if it is a JSON object, otherwise an empty one."""
    return value if isinstance(value, dict) else {}
