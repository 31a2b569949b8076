"""Precautions of every reader, for files are untrusted: bounds of sizes, and foreign exceptions turned into ours."""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from napari_emgauss.errors import FileFormatError, OutOfMemoryError, VolumeError
from napari_emgauss.io.location import Place, Url
from napari_emgauss.runtime.memory import available_bytes
from napari_emgauss.units import format_bytes

MAX_METADATA_BYTES = 16 * 2**20


@contextmanager
def foreign_errors(path: Place, kind: str) -> Iterator[None]:
    """Turn whatever a file library raises on a damaged ``kind`` file into a `FileFormatError` naming ``path``."""
    try:
        yield
    except (VolumeError, FileFormatError, OutOfMemoryError):
        raise
    except OSError as error:
        if not isinstance(path, Url):
            raise _foreign(path, kind, error) from error
        raise  # a network's errors say what to do
    except Exception as error:
        raise _foreign(path, kind, error) from error


def _foreign(path: Place, kind: str, error: Exception) -> FileFormatError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return FileFormatError(
        f"{path} cannot be read as {kind}: {reason}. It is truncated, damaged or of another kind. "
        "Save or copy it again."
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


def check_fits_memory(path: Place, needed: int, *, what: str = "the stack") -> None:
    """Raise unless ``needed`` bytes are available, before anything is allocated."""
    free = available_bytes()
    if needed > free:
        raise OutOfMemoryError(
            f"{path}: {what} needs {format_bytes(needed)} of memory, {format_bytes(free)} are available. "
            "Crop it, or convert it to OME-Zarr, MRC or uncompressed TIFF, which are read piece by piece."
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
        decoded = _DECLARED_BYTES[kind](file.read(_HEADER_BYTES))
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
    flag, alone = data[4] >> 6, bool(data[4] & 0x20)
    start = 5 + (0 if alone else 1) + (0, 1, 2, 4)[data[4] & 3]
    n_bytes = (1 if alone else 0, 2, 4, 8)[flag]
    return int.from_bytes(data[start : start + n_bytes], "little") + (256 if n_bytes == 2 else 0)


HARMLESS_BYTES = 256 * 2**20
_PIECE_BYTES = 2**20
_HEADER_BYTES = 18
_ZLIB_OR_GZIP = 47
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
