"""Precautions of every reader, for files are untrusted: bounds of sizes, and foreign exceptions turned into ours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from napari_emgauss.errors import FileFormatError, OutOfMemoryError, VolumeError
from napari_emgauss.units import format_bytes

MAX_METADATA_BYTES = 16 * 2**20


@contextmanager
def foreign_errors(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a file library raises on a damaged ``kind`` file into a `FileFormatError` naming ``path``."""
    try:
        yield
    except (VolumeError, FileFormatError, OutOfMemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileFormatError(
            f"{path} cannot be read as {kind}: {reason}. It is truncated, damaged or of another kind. "
            "Save or copy it again."
        ) from error


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


def check_fits_memory(path: Path, needed: int, *, what: str = "the stack") -> None:
    """Raise unless ``needed`` bytes are available, before anything is allocated."""
    free = int(psutil.virtual_memory().available)
    if needed > free:
        raise OutOfMemoryError(
            f"{path}: {what} needs {format_bytes(needed)} of memory, {format_bytes(free)} are available. "
            "Crop it, or convert it to OME-Zarr, MRC or uncompressed TIFF, which are read piece by piece."
        )


def json_object(value: Any) -> dict[str, Any]:
    """Return ``value`` if it is a JSON object, otherwise an empty one."""
    return value if isinstance(value, dict) else {}
