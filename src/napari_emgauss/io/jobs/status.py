"""State of a job, as its folder and its log tell it: also of one that runs elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.jobs.claims import is_claimed, runner_of
from napari_emgauss.io.jobs.description import JobDescription, read_description
from napari_emgauss.io.jobs.failures import Failure, failures
from napari_emgauss.io.jobs.log import RETRIED, LogEntry, read_entries
from napari_emgauss.io.jobs.own_files import check_own_files
from napari_emgauss.io.jobs.requests import Request, is_asked


class BlockState(Enum):
    """State of a block."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class JobState(Enum):
    """State of a job as a whole."""

    STUDYING = "studying"
    """What comes before the blocks."""
    RUNNING = "running"
    PAUSED = "paused"
    """Those who work on it hold, or will within seconds."""
    STOPPING = "stopping"
    INTERRUPTED = "interrupted"
    """Something is left, and nobody works on it."""
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """Snapshot of a job."""

    states: tuple[BlockState, ...]
    """Of every block; empty until the plan is known."""
    failures: tuple[Failure, ...]
    """What went wrong, by block."""
    pixels_per_s: float | None
    """Speed since the latest run began, all workers together; None before a block was done in it."""
    seconds_left: float | None
    """Estimated time to the end; None where it is not known."""
    runner: str | None = None
    """Machine and process of the run that is going on, '' where it says none; None where there is no run."""
    asked: frozenset[Request] = frozenset()
    """What is asked of those who work on it."""

    @property
    def state(self) -> JobState:
        """Of the job as a whole."""
        running = self.runner is not None or BlockState.RUNNING in self.states
        if not running:
            all_done = bool(self.states) and self.count(BlockState.DONE) == len(self.states)
            return JobState.DONE if all_done else JobState.INTERRUPTED
        if Request.STOP in self.asked:
            return JobState.STOPPING
        if Request.PAUSE in self.asked:
            return JobState.PAUSED
        return JobState.RUNNING if self.states else JobState.STUDYING

    def count(self, state: BlockState) -> int:
        """Return the number of blocks in a state."""
        return self.states.count(state)


class JobWatch:
    """Follower of a job folder: files say what is done, the log what happened since it was last looked at.

    Parameters
    ----------
    folder
        The job's.

    Raises
    ------
    FileFormatError
        It holds no job, one of another version, or links.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._description: JobDescription | None = None
        self._read_to = 0
        self._begun: set[int] = set()
        self._done: set[int] = set()
        self._failed: dict[int, Failure] = {}
        self._latest: dict[int, LogEntry] = {}
        self._opened_at: float | None = None
        self._done_px = 0
        check_own_files(folder)
        if read_description(folder) is None:
            raise FileFormatError(f"{folder} is no job folder: it has no job.json. Name the folder of a job.")

    @property
    def description(self) -> JobDescription:
        """What the job is of, as it is known by now."""
        if self._description is None or not self._description.n_blocks:
            self._description = read_description(self.folder)
            assert self._description is not None
            self._sizes = self._description.sizes()
            if not self._sizes:
                return self._description
            self._read_log()
            # Of what was before, files know better than the log.
            self._done = {block for block in range(len(self._sizes)) if _is_done(self.folder, block)}
            self._failed = {failure.block: failure for failure in failures(self.folder)}
        return self._description

    def look(self) -> JobStatus:
        """Return the state by now."""
        n_blocks = self.description.n_blocks
        if n_blocks:
            self._read_log()
        failed = tuple(f for block, f in sorted(self._failed.items()) if block < n_blocks and block not in self._done)
        states = [BlockState.WAITING] * n_blocks
        for block in self._done:
            states[block] = BlockState.DONE
        for failure in failed:
            states[failure.block] = BlockState.FAILED
        for block in self._begun - self._done:
            if is_claimed(block_folder(self.folder, block)):
                states[block] = BlockState.RUNNING
        left_px = sum(size for size, state in zip(self._sizes, states, strict=True) if state is not BlockState.DONE)
        rate = self._rate()
        return JobStatus(
            states=tuple(states),
            failures=failed,
            pixels_per_s=rate,
            seconds_left=left_px / rate if rate else None,
            runner=runner_of(self.folder),
            asked=frozenset(request for request in Request if is_asked(self.folder, request)),
        )

    def latest(self, block: int) -> LogEntry | None:
        """Return what happened last to a block; None where nothing did."""
        return self._latest.get(block)

    def _read_log(self) -> None:
        for entry, end in read_entries(self.folder, self._read_to):
            self._read_to = end
            if entry.what == "opened":
                self._opened_at, self._done_px, self._failed = entry.at, 0, {}
            elif entry.what == RETRIED:
                self._failed = {}
            if entry.block is None or not 0 <= entry.block < len(self._sizes):
                continue
            self._latest[entry.block] = entry
            self._begun.discard(entry.block)
            self._failed.pop(entry.block, None)
            if entry.what == "begun":
                self._begun.add(entry.block)
            elif entry.what == "done":
                self._done.add(entry.block)
                self._done_px += self._sizes[entry.block]
            elif entry.what == "failed":
                failure = Failure(block=entry.block, message=entry.message, worker=entry.worker)
                self._failed[entry.block] = failure

    def _rate(self) -> float | None:
        if self._opened_at is None or not self._done_px:
            return None
        return self._done_px / max(time.time() - self._opened_at, 1e-3)


def block_folder(job: Path, block: int) -> Path:
    """Return the folder of a block."""
    return job / f"block-{block:05d}"


def _is_done(job: Path, block: int) -> bool:
    return any((block_folder(job, block) / name).exists() for name in ("done", "dropped"))
