"""Files that are written whole or not at all: temporary siblings, planes one by one, cancelling."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import VolumeError
from napari_emgauss.io.guard import array_bytes
from napari_emgauss.units import format_bytes
from napari_emgauss.volume import Volume

ReportPlanes = Callable[[int, int], None]
"""Called with (planes done, planes in total)."""

IsCancelled = Callable[[], bool]
"""Asked before every plane; True stops."""

LONG_AGO_S = 24 * 3600.0
"""A file in writing that was not written to for so long is nobody's any more."""
LOCK_ATTEMPTS, LOCK_RETRY_S = 3, 0.01
"""A lock that is not to be had is asked for again: somebody may only have looked whether it is held."""
_MAX_BLOCK_BYTES = 128 * 2**20
_LEFT_OVER = re.compile(r"[0-9a-f]{12}\.(part|data|old)")
_HERE, _RENAME_EXCHANGE = -100, 2
"""AT_FDCWD, and the flag of renameat2."""


class WriteCancelled(RuntimeError):
    """Writing was stopped on request; nothing was left behind."""


class WritePaused(WriteCancelled):
    """Writing was stopped on request; what is written is kept, and goes on."""


@contextmanager
def replacing(path: Path, *, overwrite: bool, n_bytes: int) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` that takes its place if the block succeeds and vanishes if not.

    Raises
    ------
    FileExistsError
        ``path`` exists and ``overwrite`` is false, or is a folder that is no zarr store.
    FileNotFoundError
        The folder to write into does not exist.
    OSError
        The disk has less than ``n_bytes`` left.
    """
    check_target(path, overwrite=overwrite)
    check_disk(path, n_bytes)
    _remove_left_over(path)
    temporary = beside(path, "part")
    try:
        yield temporary
        _take_place(temporary, path)
    finally:
        remove(temporary)


def check_disk(path: Path, n_bytes: int) -> None:
    """Raise ``OSError`` if the disk has less than ``n_bytes`` left for ``path``."""
    free = shutil.disk_usage(path.parent).free
    if n_bytes > free:
        raise OSError(
            errno.ENOSPC,
            f"{path} needs {format_bytes(n_bytes)}, the disk has {format_bytes(free)} left. Make room on it",
        )


@contextmanager
def locked_file(path: Path, *, about: str = "") -> Iterator[bool]:
    """Hold a lock for other processes to see; yields whether it was to be had. A process that dies holds none.

    The file is there as long as the lock is, and says ``about`` to who looks into it. Where its folder cannot be
    written, nobody can be kept out.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file, own = _opened_and_locked(path)
    except OSError:
        yield True
        return
    with file:
        try:
            if own and about:
                with suppress(OSError):
                    file.truncate(0)
                    file.write(about.encode())
                    file.flush()
            yield own
        finally:
            if own:
                path.unlink(missing_ok=True)


def is_locked(path: Path) -> bool:
    """Tell whether another process, or another thread, holds the lock of `locked_file`; makes no file."""
    try:
        with path.open("rb") as file:
            # For a moment the lock is ours: who wants it meanwhile asks again (`_opened_and_locked`).
            return not _lock(file, shared=True)
    except OSError:
        return False


def _opened_and_locked(path: Path) -> tuple[BinaryIO, bool]:
    """Open a file and lock it; whether that worked.

    Its owner before removes it when it has done: a lock on a file that is no longer there keeps nobody out.
    """
    attempts = 0
    while True:
        file = path.open("ab")
        try:
            own = _lock(file)
            if own and _is_there(file, path):
                return file, True
            attempts += not own
            if attempts > LOCK_ATTEMPTS:
                return file, False
        except BaseException:
            file.close()
            raise
        file.close()
        time.sleep(LOCK_RETRY_S if not own else 0)


def _is_there(file: BinaryIO, path: Path) -> bool:
    """Whether an open file still is the one of this name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(file: BinaryIO, *, shared: bool = False) -> bool:
    """Lock an open file without waiting; whether it worked."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


def check_target(path: Path, *, overwrite: bool) -> None:
    """Raise unless ``path`` can be written, before any work is done for it."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist. Create it first.")
    if not path.exists() and not path.is_symlink():
        return
    if not overwrite:
        raise FileExistsError(f"{path} already exists. Choose another name or pass overwrite=True (--overwrite).")
    if path.is_dir() and not any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zattrs", ".zarray")):
        raise FileExistsError(f"{path} is a folder but no zarr store; it is not overwritten. Choose another name.")


def try_writing(path: Path) -> None:
    """Raise ``OSError`` unless a file can be made beside ``path``; none is left."""
    trial = beside(path, "part")
    try:
        trial.touch(exist_ok=False)
    except OSError as error:
        told = type(error)(f"the folder {path.parent} cannot be written to ({error.strerror}). Choose another one.")
        told.errno = error.errno
        raise told from error
    finally:
        trial.unlink(missing_ok=True)


def beside(path: Path, kind: str) -> Path:
    """Return a new name beside ``path``; what is left under it is removed some day."""
    return path.with_name(f".{path.name[:120]}.{secrets.token_hex(6)}.{kind}")


def _take_place(temporary: Path, path: Path) -> None:
    if temporary.is_file():
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
    if not path.is_dir() or path.is_symlink():
        if temporary.is_dir() and path.exists():
            path.unlink()
        os.replace(temporary, path)
        return
    if _exchange(temporary, path):
        return  # the old one is now the temporary, which is removed
    replace_folder(temporary, path)


def replace_folder(temporary: Path, path: Path) -> None:
    """Rename a folder to ``path``; one that has the name is moved aside, and back if the second rename fails."""
    aside = beside(path, "old")
    os.replace(path, aside)
    try:
        os.replace(temporary, path)
    except OSError:
        os.replace(aside, path)
        raise
    remove(aside)


def _exchange(first: Path, second: Path) -> bool:
    """Let two names change places in one step; False where the system cannot (Linux alone can)."""
    if sys.platform != "linux":
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    names = os.fsencode(first), os.fsencode(second)
    return bool(rename(_HERE, names[0], _HERE, names[1], _RENAME_EXCHANGE) == 0)


def _remove_left_over(path: Path) -> None:
    """Remove what processes that died long ago left of their attempts to write ``path``."""
    begins, long_ago = f".{path.name[:120]}.", time.time() - LONG_AGO_S
    for entry in os.scandir(path.parent):
        name = entry.name
        ours = name.startswith(begins) and _LEFT_OVER.fullmatch(name[len(begins) :]) is not None
        if ours and _last_written(Path(entry.path)) < long_ago:
            remove(Path(entry.path))


def _last_written(path: Path) -> float:
    """Return when a file, or the newest in a folder, was written."""
    inside = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    times = []
    for one in (path, *inside):
        with suppress(OSError):
            times.append(one.lstat().st_mtime)
    return max(times, default=time.time())


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def planes(volume: Volume, progress: ReportPlanes | None, cancelled: IsCancelled | None) -> Iterator[AnyArray]:
    """Yield every plane of ``volume`` once, in order, as a contiguous array of the volume's type.

    Sections are read as deep as the source's chunks (one by one where it has none, since each may be expensive).
    """
    total = volume.n_sections
    plane_bytes = array_bytes(volume.shape[1:], volume.dtype.itemsize)
    depth = max(1, min(_chunk_depth(volume.data), _MAX_BLOCK_BYTES // max(plane_bytes, 1)))
    for start in range(0, total, depth):
        stop = min(start + depth, total)
        _stop_if(cancelled, start, total)
        block = np.asarray(volume.data[start:stop])
        if block.shape != (stop - start, *volume.shape[1:]) or block.dtype.name != volume.dtype.name:
            raise VolumeError(
                f"planes {start}..{stop - 1} came as {block.dtype} of shape {block.shape}; the volume declares "
                f"{volume.dtype} planes of shape {volume.shape[1:]}."
            )
        for offset in range(stop - start):
            if offset:
                _stop_if(cancelled, start + offset, total)
            yield np.ascontiguousarray(block[offset], dtype=volume.dtype.newbyteorder("="))
            if progress is not None:
                progress(start + offset + 1, total)


def _stop_if(cancelled: IsCancelled | None, done: int, total: int) -> None:
    if cancelled is not None and cancelled():
        raise WriteCancelled(f"writing was cancelled after {done} of {total} planes; nothing was left behind.")


def _chunk_depth(data: Any) -> int:
    chunks = getattr(data, "chunks", None)
    try:
        return int(chunks[0]) if chunks is not None else 1
    except (TypeError, ValueError, IndexError):
        return 1  # dask's chunks are tuples of tuples


def provenance(volume: Volume, metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Merge the volume's metadata and ``metadata`` (the latter wins), checked to be plain JSON."""
    merged = {**volume.metadata, **(metadata or {})}
    try:
        text = json.dumps(merged, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise VolumeError(
            f"metadata must be plain JSON values (text, finite numbers, lists, mappings): {error}. Leave out others."
        ) from error
    return dict(json.loads(text))
