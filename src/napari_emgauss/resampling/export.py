"""Exporting a part of a reconstruction: checked before, plane by plane, to memory, to a file, or to both at once."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from napari_emgauss._types import AnyArray
from napari_emgauss._version import __version__
from napari_emgauss.errors import DiskSpaceError, FileFormatError, OutOfMemoryError
from napari_emgauss.io import WRITABLE_SUFFIXES, WriteCancelled, write
from napari_emgauss.resampling.box import Part
from napari_emgauss.units import format_bytes
from napari_emgauss.volume import Volume

MEMORY_SHARE = 0.9
"""A volume in memory may take this share of what is available: the viewer needs some too."""
DISK_BYTES_PER_S = 2e8
"""Guess of how fast a disk writes, for the estimate of time."""


@dataclass(frozen=True)
class Exported:
    """What an export has made.

    Attributes
    ----------
    volume
        All planes in memory, if they were asked for.
    path
        The file, if one was asked for.
    seconds
        How long it took.
    """

    volume: Volume | None
    path: Path | None
    seconds: float


def export(
    part: Part,
    path: Path | None = None,
    *,
    in_memory: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Exported:
    """Render every plane of ``part`` once.

    Parameters
    ----------
    part
        What to export.
    path
        File to write, in the format of its suffix (see `napari_emgauss.write`).
    in_memory
        Keep all planes.
    overwrite
        Replace an existing file.
    progress
        Called with (planes done, planes in total).
    cancelled
        Asked before every plane; returning True stops and leaves no file.

    Raises
    ------
    WriteCancelled
        ``cancelled`` returned True.
    OutOfMemoryError
        The planes do not fit in memory.
    DiskSpaceError
        The file does not fit on the disk.
    FileExistsError, FileNotFoundError, FileFormatError, VolumeError
        As `napari_emgauss.write`.
    """
    start = time.perf_counter()
    check_room(part, path, in_memory=in_memory)
    made = {"program": f"napari-emgauss {__version__}", "date": datetime.now().astimezone().isoformat("T", "seconds")}
    volume = part.volume(metadata=made)
    kept = _allocate(part) if in_memory else None
    try:
        if path is not None:
            source = volume if kept is None else part.volume(_Keeping(part, kept), made)
            write(source, path, overwrite=overwrite, progress=progress, cancelled=cancelled)
        elif kept is not None:
            _fill(kept, part, progress, cancelled)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DiskSpaceError(
            f"the disk became full while {path} was written; nothing was left behind. Make room on it or choose "
            "another folder."
        ) from error
    dense = None if kept is None else part.volume(kept, made)
    return Exported(dense, path, time.perf_counter() - start)


def check_room(part: Part, path: Path | None, *, in_memory: bool) -> None:
    """Raise unless memory and disk have room for ``part``, before anything is done for it."""
    if in_memory:
        free = int(psutil.virtual_memory().available)
        if part.n_bytes > MEMORY_SHARE * free:
            raise _too_large(part, f"{format_bytes(free)} are free")
    if path is not None and path.parent.is_dir():
        needed, free = file_bytes(part, path), shutil.disk_usage(path.parent).free
        if needed > free:
            raise DiskSpaceError(
                f"the file needs {format_bytes(needed)}, the disk has {format_bytes(free)} left. Make room on it, "
                "choose another folder, or export a part."
            )


def file_bytes(part: Part, path: Path) -> int:
    """Size of the file, about."""
    suffix = path.suffix.lower()
    if suffix not in WRITABLE_SUFFIXES:
        raise FileFormatError(f"the file's name must end in {', '.join(WRITABLE_SUFFIXES)}, got {path.name!r}.")
    if suffix == ".mrc" and part.dtype == np.uint8:
        return 2 * part.n_bytes  # MRC has no unsigned bytes
    return part.n_bytes * 8 // 7 if suffix == ".zarr" else part.n_bytes  # a pyramid of halves


def expected_seconds(part: Part, seconds_per_plane: float, path: Path | None) -> float:
    """Time the export will take, given that of a plane (see `Part.seconds_per_plane`)."""
    return len(part) * seconds_per_plane + (0.0 if path is None else file_bytes(part, path) / DISK_BYTES_PER_S)


def _allocate(part: Part) -> AnyArray:
    try:
        return np.empty(part.shape, part.dtype)
    except MemoryError:
        raise _too_large(part, "which cannot be had") from None


def _too_large(part: Part, why: str) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"the layer needs {format_bytes(part.n_bytes)} of memory, {why}. Export to a file without a layer and open "
        "that, or look at the whole volume in 'Explore z', which needs no export."
    )


def _fill(
    out: AnyArray, part: Part, progress: Callable[[int, int], None] | None, cancelled: Callable[[], bool] | None
) -> None:
    for k in range(len(part)):
        if cancelled is not None and cancelled():
            raise WriteCancelled(f"the export was cancelled after {k} of {len(part)} planes.")
        out[k] = part[k]
        if progress is not None:
            progress(k + 1, len(part))


class _Keeping:
    """Planes that stay in ``kept`` once the writer has asked for them: each is rendered once for file and layer."""

    ndim = 3

    def __init__(self, part: Part, kept: AnyArray) -> None:
        self._part, self._kept = part, kept
        self.shape, self.dtype = part.shape, part.dtype

    def __getitem__(self, key: Any) -> AnyArray:
        self._kept[key] = self._part[key]
        block: AnyArray = self._kept[key]
        return block
