"""Export of planes, checked before: one by one, to memory, to a file, or to both at once."""

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

from napari_emgauss._types import AnyArray
from napari_emgauss._version import __version__
from napari_emgauss.errors import DiskSpaceError, FileFormatError, OutOfMemoryError
from napari_emgauss.io import WRITABLE_SUFFIXES, WriteCancelled, write
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.runtime.memory import available_bytes
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
    planes: Planes,
    path: Path | None = None,
    *,
    in_memory: bool = False,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Exported:
    """Render every plane of ``planes`` once.

    Parameters
    ----------
    planes
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
    check_room(planes, path, in_memory=in_memory)
    made = made_now()
    volume = planes.volume(export=made)
    kept = _allocate(planes) if in_memory else None
    try:
        if path is not None:
            source = volume if kept is None else planes.volume(_Keeping(planes, kept), export=made)
            write(source, path, overwrite=overwrite, progress=progress, cancelled=cancelled)
        elif kept is not None:
            _fill(kept, planes, progress, cancelled)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DiskSpaceError(
            f"the disk became full while {path} was written; nothing was left behind. Make room on it or choose "
            "another folder."
        ) from error
    dense = None if kept is None else planes.volume(kept, export=made)
    return Exported(dense, path, time.perf_counter() - start)


def made_now() -> dict[str, str]:
    """Return what made an export, and when."""
    return {"program": f"napari-emgauss {__version__}", "date": datetime.now().astimezone().isoformat("T", "seconds")}


def check_room(planes: Planes, path: Path | None, *, in_memory: bool) -> None:
    """Raise unless memory and disk have room for ``planes``, before anything is done for it."""
    if in_memory:
        free = available_bytes()
        if planes.nbytes > MEMORY_SHARE * free:
            raise _too_large(planes, f"{format_bytes(free)} are free")
    if path is not None and path.parent.is_dir():
        needed, free = file_bytes(planes, path), shutil.disk_usage(path.parent).free
        if needed > free:
            raise DiskSpaceError(
                f"the file needs {format_bytes(needed)}, the disk has {format_bytes(free)} left. Make room on it, "
                "choose another folder, or export a part."
            )


def file_bytes(planes: Planes, path: Path) -> int:
    """Return the size of the file, about."""
    suffix = path.suffix.lower()
    if suffix not in WRITABLE_SUFFIXES:
        raise FileFormatError(f"the file's name must end in {', '.join(WRITABLE_SUFFIXES)}, got {path.name!r}.")
    if suffix == ".mrc" and planes.dtype == np.uint8:
        return 2 * planes.nbytes  # MRC has no unsigned bytes
    return planes.nbytes * 8 // 7 if suffix == ".zarr" else planes.nbytes  # a pyramid of halves


def expected_seconds(planes: Planes, seconds_per_plane: float, path: Path | None) -> float:
    """Return the time that the export will take, given that of a plane (see `Planes.seconds_per_plane`)."""
    return len(planes) * seconds_per_plane + (0.0 if path is None else file_bytes(planes, path) / DISK_BYTES_PER_S)


def _allocate(planes: Planes) -> AnyArray:
    try:
        return np.empty(planes.shape, planes.dtype)
    except MemoryError:
        raise _too_large(planes, "which cannot be had") from None


def _too_large(planes: Planes, why: str) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"the layer needs {format_bytes(planes.nbytes)} of memory, {why}. Export to a file without a layer and open "
        "that, or look at the whole volume in 'Explore z', which needs no export."
    )


def _fill(
    out: AnyArray, planes: Planes, progress: Callable[[int, int], None] | None, cancelled: Callable[[], bool] | None
) -> None:
    for k in range(len(planes)):
        if cancelled is not None and cancelled():
            raise WriteCancelled(f"the export was cancelled after {k} of {len(planes)} planes.")
        out[k] = planes[k]
        if progress is not None:
            progress(k + 1, len(planes))


class _Keeping:
    """Planes that stay in ``kept`` once the writer has asked for them: each is rendered once for file and layer."""

    ndim = 3

    def __init__(self, planes: Planes, kept: AnyArray) -> None:
        self._planes, self._kept = planes, kept
        self.shape, self.dtype = planes.shape, planes.dtype

    def __getitem__(self, key: Any) -> AnyArray:
        self._kept[key] = self._planes[key]
        block: AnyArray = self._kept[key]
        return block
