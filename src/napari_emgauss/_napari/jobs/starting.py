"""The beginning of a job: its stack in a file, and a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss.errors import BackendUnavailableError, FolderInUseError
from napari_emgauss.io import SourceRef, read, write
from napari_emgauss.io.jobs import JobProcess, read_description
from napari_emgauss.io.jobs.claims import runner_of
from napari_emgauss.methods.emgauss.shared import command, command_to_go_on
from napari_emgauss.volume import Volume

STACK = "stack.ome.zarr"
"""Name of the stack in the job's folder, where it was in no file."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WantedJob:
    """What is to be trained on as a job."""

    name: str
    volume: Volume
    arguments: Mapping[str, Any]
    """Of `reconstruct`."""
    path: Path | None
    """Where the stack's layer was read from, if from a file."""

    def suggested_folder(self, documents: Path) -> Path:
        """Return a folder for the job: beside the stack's file, or among the user's documents."""
        path = self.path
        name = self.name if path is None else path.name.split(".")[0]
        return (documents if path is None else path.parent) / f"{name.replace('/', '-') or 'stack'}.job"


def file_of(wanted: WantedJob) -> SourceRef | None:
    """Return the file that holds exactly this stack; None where it has to be saved. It reads: not in the GUI thread."""
    path, volume = wanted.path, wanted.volume
    if path is None or not path.exists():
        return None
    source = SourceRef(path=path.absolute(), voxel_size_nm=volume.voxel_size_nm)
    try:
        found = source.open()
    except (OSError, ValueError, RuntimeError):  # of a format that only napari reads, or several datasets
        return None
    same_grid = found.shape == volume.shape and found.dtype == volume.dtype
    if not same_grid or not np.allclose(found.origin_nm, volume.origin_nm, atol=1e-3 * min(volume.voxel_size_nm)):
        return None
    looked_at = {0, volume.n_sections // 2, volume.n_sections - 1}
    same = all(np.array_equal(found.section(i), volume.section(i), equal_nan=True) for i in looked_at)
    return source if same else None


class JobStart:
    """Saves a stack where that is needed, and begins its job; `run` once, off the GUI thread.

    Parameters
    ----------
    wanted
        What is trained on.
    source
        The file that holds it, if any.
    folder
        The job's.
    workers
        Processes.
    progress
        Called while the stack is saved, in the thread that saves.
    """

    def __init__(
        self,
        wanted: WantedJob,
        source: SourceRef | None,
        folder: Path,
        *,
        workers: int,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self.wanted, self.source, self.folder, self.workers = wanted, source, folder, workers
        self.done, self.total = 0, wanted.volume.n_sections
        """Sections that are saved."""
        self._progress, self._cancelled = progress, threading.Event()

    def check(self) -> None:
        """Raise unless it can be begun, before anything is saved.

        Raises
        ------
        BackendUnavailableError, ConfigError, FileExistsError, FolderInUseError, NotADirectoryError
            With what was received, the rule and the remedy.
        """
        check_workers_installed()
        if self.folder.exists() and not self.folder.is_dir():
            raise NotADirectoryError(f"{self.folder} is a file; a job is a folder. Give it a name that is not taken.")
        check_free(self.folder)
        if read_description(self.folder) is not None:
            raise FileExistsError(
                f"{self.folder} holds a job already. Open it above, and press 'Resume' to go on with it; or choose "
                "another folder."
            )
        self._command(self.source or SourceRef(path=self.folder / STACK))

    def cancel(self) -> None:
        """Save nothing more, and begin nothing; from any thread."""
        self._cancelled.set()

    def run(self, stop: Callable[[], bool]) -> JobProcess:
        """Do it; raises `WriteCancelled` after a `cancel`, and what `write` and `JobProcess` raise."""
        source = self.source
        self.folder.mkdir(parents=True, exist_ok=True)
        if source is None:
            volume = self.wanted.volume
            path = write(
                volume,
                self.folder / STACK,
                overwrite=True,  # nobody uses what is left of an attempt: there is no job yet
                progress=self._count,
                cancelled=lambda: self._cancelled.is_set() or stop(),
            )
            source = SourceRef(path=path.absolute(), voxel_size_nm=read(path).voxel_size_nm)
        return JobProcess(self._command(source), self.folder)

    def _command(self, source: SourceRef) -> list[str]:
        return command(source, self.folder, workers=self.workers, **self.wanted.arguments)

    def _count(self, done: int, _total: int) -> None:
        self.done = done
        self._progress()


def go_on(folder: Path, *, workers: int) -> JobProcess:
    """Go on with the job in a folder.

    Raises
    ------
    BackendUnavailableError, FolderInUseError, FileFormatError, ConfigError, OSError
        With what was received, the rule and the remedy.
    """
    check_workers_installed()
    check_free(folder)
    return JobProcess(command_to_go_on(folder.absolute(), workers=workers), folder)


def check_free(folder: Path) -> None:
    """Raise `FolderInUseError` where a run is going on in a job's folder."""
    runner = runner_of(folder)
    if runner is not None:
        raise FolderInUseError(
            f"{folder} is worked on by {runner or 'another process'}; a job has one run at a time. Stop that, or wait "
            "for its end."
        )


def check_workers_installed() -> None:
    """Raise `BackendUnavailableError` where there is nothing to share a job's blocks by."""
    if find_spec("distributed") is None:
        raise BackendUnavailableError(
            "a job's blocks are shared by dask.distributed, which is not installed. Install it and start napari again: "
            "pip install 'napari-emgauss[cluster]'"
        )
