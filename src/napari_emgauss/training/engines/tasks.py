"""A block as a task for any process that reaches the job's folder: small to send, its result goes to the folder."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from napari_emgauss.errors import ConfigError, DiskSpaceError
from napari_emgauss.io.jobs import Request, is_asked
from napari_emgauss.io.jobs.claims import worker_name
from napari_emgauss.io.jobs.description import NAME
from napari_emgauss.io.store import JobFolder
from napari_emgauss.runtime.memory import is_out_of_memory
from napari_emgauss.training.control import Control
from napari_emgauss.training.engines.local import BlockEnd, BlocksRun, RunConfig, out_of_memory
from napari_emgauss.training.protocol import BoxDrawing, Job

LOOK_EVERY_S = 0.5
"""How often a folder is looked at for requests to stop or pause."""


VISIBLE_S = 90.0
"""Longest time that a file takes to be seen from another machine: caches of shared disks forget within a minute."""


@dataclass(frozen=True)
class OpenedJob:
    """A job as its folder describes it, ready to be worked on."""

    job: Job
    store: JobFolder
    threads: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered around the training of a block."""
    drawing: Callable[[], BoxDrawing | None] = lambda: None
    """Returns what is drawn from the models, if that is wanted; asked for once."""

    @cached_property
    def drawn(self) -> BoxDrawing | None:
        """What is drawn from the models."""
        return self.drawing()


@dataclass(frozen=True, kw_only=True)
class BlockSpec:
    """A block to train."""

    opener: str
    """Function that opens the job, as ``module:function``: it takes the folder and returns an `OpenedJob`."""
    folder: str
    """The job's, absolute; the same for all machines."""
    block: int


@dataclass(frozen=True, kw_only=True)
class BlockOutcome:
    """How the work on a block ended; what was learned is in the folder."""

    block: int
    end: BlockEnd
    worker: str
    """Machine and process."""
    seconds: float = 0.0
    """Time in training."""
    message: str = ""
    """What went wrong, for a failure."""
    no_room: bool = False
    """Whether that is the disk: any other block would fail, too."""


class FolderControl(Control):
    """Pause and stop as a job's folder asks for them."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder, self._looked_at = folder, float("-inf")

    @property
    def stopped(self) -> bool:
        """Whether a stop is asked for."""
        self._look()
        return super().stopped

    @property
    def paused(self) -> bool:
        """Whether a pause is asked for, and no stop."""
        self._look()
        return super().paused

    def _look(self) -> None:
        now = time.monotonic()
        if super().stopped or now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        if is_asked(self._folder, Request.STOP):
            self._stop.set()
            self._running.set()
        elif is_asked(self._folder, Request.PAUSE):
            self.pause()
        else:
            self.resume()


def run_block(spec: BlockSpec, config: RunConfig | None = None) -> BlockOutcome:
    """Train one block in this process, unless it is done or another process works on it.

    A training that fails is kept as a failure in the folder, and returned; it raises nothing.

    Raises
    ------
    FileFormatError, FileNotFoundError, VolumeError
        The job cannot be opened here: its folder or its input is missing, damaged or another.
    """
    folder = Path(spec.folder)
    control = FolderControl(folder)
    if control.stopped:
        return _outcome(spec, BlockEnd.STOPPED)
    opened = open_job(spec.opener, folder)
    run = BlocksRun(opened.job, opened.store, control, lambda event: None, config or RunConfig(), None)
    try:
        with opened.threads():
            return _outcome(spec, run.one_block(spec.block), seconds=run.seconds)
    except DiskSpaceError as error:
        return _outcome(spec, BlockEnd.FAILED, seconds=run.seconds, message=str(error), no_room=True)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this block's, and the others go on
        message = str(error) or type(error).__name__
        if is_out_of_memory(error):
            message = out_of_memory(spec.block, opened.job.n_blocks, error)
    opened.store.save_failure(spec.block, message, worker_name())
    return _outcome(spec, BlockEnd.FAILED, seconds=run.seconds, message=message)


def draw_box(spec: BlockSpec) -> None:
    """Draw a box, of the number that ``spec`` has as its block, in this process.

    Raises
    ------
    FileFormatError, FileNotFoundError, VolumeError, OSError
        The job cannot be opened here, or the box not be written.
    """
    opened = open_job(spec.opener, Path(spec.folder))
    if opened.drawn is None:
        raise FileNotFoundError(f"{spec.folder} says of no volume that is to be drawn.")
    if not opened.drawn.is_drawn(spec.block):
        wait_until_seen(opened.store, opened.drawn.needs(spec.block))
        with opened.threads():
            opened.drawn.draw(spec.block)


def wait_until_seen(store: JobFolder, blocks: Iterable[int]) -> None:
    """Wait for finished blocks that other machines have written and that are not seen here yet.

    Raises
    ------
    FileNotFoundError
        They do not come.
    """
    end = time.monotonic() + VISIBLE_S
    for block in blocks:
        while not store.is_done(block):
            if time.monotonic() > end:
                raise FileNotFoundError(
                    f"block {block + 1} was trained, but is not in {store.folder}. Do all workers reach this folder "
                    "under the same name?"
                )
            time.sleep(LOOK_EVERY_S)


def work_on(opener: str, folder: Path, config: RunConfig | None = None) -> None:
    """Train, one after the other, the blocks that nobody works on and that have not failed, until none is left.

    Those that others work on are asked for again at the end: who worked on them may be gone.

    Raises
    ------
    DiskSpaceError
        A block could not be written.
    FileFormatError, FileNotFoundError, VolumeError
        As `run_block`.
    """
    opened, control = open_job(opener, folder), FolderControl(folder)
    number, has_trained = int.from_bytes(hashlib.sha256(worker_name().encode()).digest()[:4], "big"), True
    while has_trained:
        has_trained = False
        failed = {failure.block for failure in opened.store.failures()}
        left = [b for b in range(opened.job.n_blocks) if b not in failed and not opened.store.is_done(b)]
        # Workers that were started together would else meet at the same blocks.
        first = number % max(len(left), 1)
        for block in [*left[first:], *left[:first]]:
            if control.stopped:
                return
            spec = BlockSpec(opener=opener, folder=str(folder), block=block)
            outcome = run_block(spec, config)
            if outcome.no_room:
                raise DiskSpaceError(outcome.message)
            has_trained |= outcome.end is BlockEnd.DONE


def _outcome(spec: BlockSpec, end: BlockEnd, **more: Any) -> BlockOutcome:
    return BlockOutcome(block=spec.block, end=end, worker=worker_name(), **more)


_opened: dict[tuple[str, str, str], OpenedJob] = {}
_opening = threading.Lock()


def open_job(opener: str, folder: Path) -> OpenedJob:
    """Open a job, or return it as it was opened before; of several jobs, the last one is kept."""
    try:
        described = hashlib.sha256((folder / NAME).read_bytes()).hexdigest()
    except OSError as error:
        raise FileNotFoundError(
            f"{folder} is no job folder that this machine reaches ({error.strerror or error}). Every worker must see "
            "it under the same name."
        ) from error
    key = (opener, str(folder), described)
    with _opening:
        if key not in _opened:
            _opened.clear()
            _opened[key] = _function(opener)(folder)
        return _opened[key]


def _function(name: str) -> Callable[[Path], OpenedJob]:
    module, _, function = name.partition(":")
    found = getattr(import_module(module), function, None) if module and function else None
    if not callable(found):
        raise ConfigError(f"a job is opened by a function, named as module:function, got {name!r}.")
    return cast(Callable[[Path], OpenedJob], found)
