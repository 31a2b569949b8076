"""Training of blocks on the workers of a Dask cluster.

Only the numbers of blocks go out through the scheduler, and how each ended comes back: workers read the stack, and what
was found on it, from disk, and write what they learn there.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from distributed import Client, Future, as_completed
from distributed.comm.core import CommClosedError

from napari_emgauss.errors import BlocksFailedError, ConfigError, DiskSpaceError, WorkersLostError
from napari_emgauss.io.jobs import Request, ask, withdraw
from napari_emgauss.io.store import JobFolder
from napari_emgauss.training.control import Control
from napari_emgauss.training.engines.boxes import BoxesToDraw
from napari_emgauss.training.engines.clusters import start_workers_anew
from napari_emgauss.training.engines.local import BlockEnd, RunConfig
from napari_emgauss.training.engines.tasks import BlockOutcome, BlockSpec, draw_box, run_block, wait_until_seen
from napari_emgauss.training.events import Finished, FinishReason, Improved, Notice, Progress
from napari_emgauss.training.protocol import BoxDrawing, Emit, Job, Store

T = TypeVar("T")
STAGE = "blocks"
LOOK_EVERY_S = 0.05
PROGRESS_EVERY_S = 1.0
ASK_AGAIN_S = 2.0
"""Time after which a block that another process has claimed is asked for again."""
MOST_AT_ONCE = 1000
"""Things that are handed to the scheduler together."""
TRIES = 3
"""Times that a job is opened for a block, where that fails."""
ALONE_S = 30.0
"""Time without any worker after which that is told, and processes of this machine are started anew."""


class DaskEngine:
    """Engine that gives the blocks of a job to the workers of a cluster.

    Parameters
    ----------
    client
        Connection to the cluster.
    config
        Intervals of checkpoints and scorings.
    earlier
        Last progress of what was done before the blocks: iterations and seconds continue from it.
    resources
        What a worker must offer to be given a block, like ``{"GPU": 1}``.
    """

    drawing: BoxDrawing | None = None
    """What is drawn from the models, which are then dropped; workers find it in the job's folder."""

    def __init__(
        self,
        client: Client,
        config: RunConfig | None = None,
        earlier: Progress | None = None,
        *,
        resources: Mapping[str, float] | None = None,
    ) -> None:
        self.client, self.config, self.earlier = client, config or RunConfig(), earlier
        self.resources = dict(resources or {})

    def run(self, job: Job, store: Store, control: Control, emit: Emit) -> FinishReason:
        """Have every block trained that ``store``, a `JobFolder`, does not hold yet.

        A block that fails does not keep the others from being trained. After a stop, blocks in training are kept as
        they are. Where the engine has a drawing, each box is drawn by a worker when the blocks that it shows are
        trained, and models are dropped that no box needs any more.

        Raises
        ------
        BlocksFailedError
            All is done but blocks that failed, which it names.
        DiskSpaceError
            The folder's disk is full. Blocks in training are not waited for.
        WorkersLostError
            The scheduler went away.
        ConfigError
            The job has no folder, or no `opener` (see `SharedJob`).
        """
        if not isinstance(store, JobFolder):
            raise ConfigError("workers need a folder to work in. Name one for checkpoints (--checkpoint FOLDER).")
        opener = getattr(job, "opener", None)
        if opener is None:
            raise ConfigError("this job cannot be opened by other processes. Leave the workers out.")
        run = _ClusterRun(self, job, str(opener), store, control, emit)
        try:
            reason = run.all_blocks()
        except BaseException as error:
            run.end(FinishReason.FAILED, str(error) or type(error).__name__)
            raise
        run.end(reason)
        return reason

    def each(self, function: Callable[[T], Any], things: Sequence[T]) -> Iterator[Any]:
        """Call a function that can be pickled for each of ``things`` on the workers; yield once for each, in any order.

        Raises
        ------
        Whatever the function raises.
        """
        for start in range(0, len(things), MOST_AT_ONCE):
            futures = self.client.map(function, things[start : start + MOST_AT_ONCE], pure=False, retries=TRIES - 1)
            for future in as_completed(futures, loop=self.client.loop):
                yield future.result()


class _ClusterRun:
    """One run: what is waiting, at work, done and failed."""

    def __init__(
        self, engine: DaskEngine, job: Job, opener: str, store: JobFolder, control: Control, emit: Emit
    ) -> None:
        self.engine, self.job, self.opener, self.store = engine, job, opener, store
        self.control, self.emit = control, emit
        self.client = engine.client
        self.iterations = [job.iterations(block) for block in range(job.n_blocks)]
        earlier = engine.earlier
        self.before = 0 if earlier is None else earlier.iteration
        self.total = self.before + sum(self.iterations)
        self.seconds_before = 0.0 if earlier is None else earlier.seconds
        self.begun = self.told = self.counted = time.monotonic()
        self.waiting: list[int] = []
        self.done: set[int] = set()
        self.done_at_first = 0
        self.at_work: dict[Future[Any], Callable[[Any], None]] = {}
        self.boxes: BoxesToDraw | None = None
        self.elsewhere: dict[int, float] = {}
        self.failed: dict[str, str] = {}
        self.no_room = ""
        self.completed = as_completed(loop=self.client.loop)
        self.name = secrets.token_hex(4)
        self.n_sent = self.window = 0
        self.n_threads = 0
        self.alone_since = self.unpaused_at = self.begun
        self.told_alone = self.told_full = False
        self.paused = False

    def all_blocks(self) -> FinishReason:
        """Give out blocks until all are done or have failed, or a stop is asked for."""
        self.waiting = [block for block in range(self.job.n_blocks) if not self.store.is_done(block)]
        self.done = set(range(self.job.n_blocks)) - set(self.waiting)
        self.done_at_first = sum(self.iterations[block] for block in self.done)
        if self.engine.drawing is not None:
            self.boxes = BoxesToDraw(self.engine.drawing, self.done)
        self.store.begin_anew()
        self.store.log("opened", engine="dask")
        try:
            while self._is_something_left() and not self.control.stopped and not self.no_room:
                self._pass_on_pause()
                self._count_workers()
                self._give_out_boxes()
                self._give_out_blocks()
                self._collect()
                self._drop()
                self._tell()
            if (self.control.stopped or self.no_room) and self._is_something_left():
                self._stop()
                if not self.no_room:
                    return FinishReason.STOPPED
        except CommClosedError as error:
            raise WorkersLostError(_LOST) from error
        finally:
            with suppress(CommClosedError):
                self.client.cancel(list(self.at_work))
            self.store.log("closed")
        if self.no_room:
            raise DiskSpaceError(self.no_room)
        wait_until_seen(self.store, sorted(self.done))
        if self.failed:
            raise BlocksFailedError(self._failures())
        return FinishReason.COMPLETED

    def _is_something_left(self) -> bool:
        return bool(self.waiting or self.elsewhere or self.at_work or (self.boxes is not None and self.boxes.ready))

    def _give_out_blocks(self) -> None:
        """Send as many blocks as the workers can take, and those again that another process had."""
        now = time.monotonic()
        for block in [block for block, at in self.elsewhere.items() if now >= at]:
            del self.elsewhere[block]
            if self.store.is_done(block):
                self._is_done(block)
            else:
                self.waiting.append(block)
        while self.waiting and len(self.at_work) < self.window:
            block = self.job.nearest(self.waiting, self.control.preview_at)
            self.waiting.remove(block)
            self._send(run_block, "block", block, partial(self._take_block, block), self.engine.config)

    def _give_out_boxes(self) -> None:
        """Send boxes that can be drawn, before any block: they make room."""
        while self.boxes is not None and self.boxes.ready and len(self.at_work) < self.window:
            box = self.boxes.ready.popleft()
            self._send(draw_box, "box", box, partial(self._take_box, box))

    def _send(self, work: Callable[..., Any], kind: str, number: int, take: Callable[[Any], None], *more: Any) -> None:
        self.n_sent += 1
        future = self.client.submit(
            work,
            BlockSpec(opener=self.opener, folder=str(self.store.folder.absolute()), block=number),
            *more,
            key=f"{kind}-{self.name}-{number}-{self.n_sent}",
            retries=TRIES - 1,
            resources=self.engine.resources or None,
        )
        self.at_work[future] = take
        self.completed.add(future)

    def _count_workers(self) -> None:
        """Adjust how many blocks are sent to the workers that there are, and tell where there are none for long."""
        now = time.monotonic()
        if self.window and now - self.counted < PROGRESS_EVERY_S:
            return
        self.counted = now
        if self.client.status not in ("running", "connecting"):
            raise WorkersLostError(_LOST)
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        self.n_threads = sum(worker["nthreads"] for worker in workers)
        if not workers or any(worker["status"] != "paused" for worker in workers):
            self.unpaused_at = now
        elif now - self.unpaused_at > ALONE_S and not self.told_full:
            self.told_full = True
            self.emit(Notice(message=_FULL))
        # No block waits at a worker: Dask would take it for a cause when that dies.
        self.window = max(self.n_threads, 1)
        if self.n_threads:
            self.alone_since = now
        elif now - self.alone_since > ALONE_S:
            self.alone_since = now
            if start_workers_anew(self.client):
                self.emit(Notice(message="No worker is left: they are started anew."))
            elif not self.told_alone:
                self.told_alone = True
                self.emit(Notice(message="No worker is there. Blocks wait until the cluster has started some."))

    def _collect(self) -> None:
        """Take note of blocks that have ended; wait a moment where none has."""
        ended = [future for future in self.completed.next_batch(block=False) if future in self.at_work]
        for future in ended:
            if future.status == "cancelled":
                raise WorkersLostError(_LOST)
            if future.status not in ("finished", "error"):  # its worker went before it could tell: it is done again
                self.completed.add(future)
        finished = [future for future in ended if future.status == "finished"]
        for future, outcome in zip(finished, self.client.gather(finished), strict=True):
            self.at_work.pop(future)(outcome)
        for future in ended:
            if future.status == "error":
                self.at_work.pop(future)(failure_message(future.exception()))
        if not ended:
            time.sleep(LOOK_EVERY_S)

    def _take_block(self, block: int, outcome: BlockOutcome | str) -> None:
        """Take note of how a block ended; of no more than a message, where whoever worked on it could tell nothing."""
        name = f"block {block + 1}"
        if isinstance(outcome, str):
            self.failed[name] = outcome
            self.store.save_failure(block, outcome)
            self.store.log("failed", block=block, message=outcome)
            return
        if outcome.no_room:
            self.no_room = outcome.message
        elif outcome.end is BlockEnd.DONE:
            self._is_done(block)
        elif outcome.end is BlockEnd.FAILED:
            self.failed[name] = f"{outcome.message} ({outcome.worker})"
        else:
            self.elsewhere[block] = time.monotonic() + ASK_AGAIN_S
        if outcome.end is BlockEnd.STOPPED:  # somebody asks for it in the folder
            self.control.stop()

    def _take_box(self, box: int, failure: str | None) -> None:
        if failure is not None:
            self.failed[f"box {box + 1} of the volume"] = failure
        elif self.boxes is not None:
            self.boxes.drawn(box)

    def _drop(self) -> None:
        """Drop the models of blocks that are drawn wherever they show."""
        if self.boxes is not None:
            for block in self.boxes.unneeded():
                self.store.drop(block)

    def _is_done(self, block: int) -> None:
        self.done.add(block)
        if self.boxes is not None:
            self.boxes.trained(block)
        self.emit(Improved(block=block))
        self._tell(now=True)

    def _pass_on_pause(self) -> None:
        if self.control.paused is not self.paused:
            self.paused = self.control.paused
            if self.paused:
                ask(self.store.folder, Request.PAUSE)
            else:
                withdraw(self.store.folder, Request.PAUSE)

    def _stop(self) -> None:
        """Have blocks in training kept as they are; those that were sent but not begun end at once."""
        with suppress(OSError):  # of a full disk
            ask(self.store.folder, Request.STOP)
        while self.at_work and not self.control.stopped_at_once and self.client.status == "running":
            self._count_workers()
            if not self.n_threads:  # nobody is training; what was learned before is in the folder
                return
            self._collect()

    def _failures(self) -> str:
        shown = [f"{name}: {message}" for name, message in list(self.failed.items())[:3]]
        more = f" … and {len(self.failed) - 3} more." if len(self.failed) > 3 else ""
        n_blocks = sum(name.startswith("block") for name in self.failed)
        return (
            f"{n_blocks} of {self.job.n_blocks} blocks failed, the others are done. {' '.join(shown)}{more} "
            f"Run again to try them once more; {self.store.folder} keeps the rest."
        )

    def _tell(self, *, now: bool = False) -> None:
        at = time.monotonic()
        if not now and at - self.told < PROGRESS_EVERY_S:
            return
        self.told = at
        made = sum(self.iterations[block] for block in self.done)
        seconds = at - self.begun
        here = made - self.done_at_first
        left = (sum(self.iterations) - made) * seconds / here if here else float("inf")
        self.emit(
            Progress(
                iteration=self.before + made,
                n_iterations=self.total,
                block=min(len(self.done), self.job.n_blocks - 1),
                n_blocks=self.job.n_blocks,
                stage=STAGE,
                losses={},
                scores={},
                seconds=self.seconds_before + seconds,
                seconds_left=left,
            )
        )

    def end(self, reason: FinishReason, message: str = "") -> None:
        """Emit the terminal event."""
        made = self.before + sum(self.iterations[block] for block in self.done)
        seconds = self.seconds_before + time.monotonic() - self.begun
        self.emit(Finished(reason=reason, iteration=made, seconds=seconds, message=message))


_FULL = (
    "All workers take so much of the memory that they may that Dask gives them no block. If this stays so, stop "
    "and give workers more memory (--memory-limit), or set distributed.worker.memory.pause to false in Dask's settings."
)
_LOST = (
    "the connection to the scheduler was lost. What is done is kept in the job's folder: start the scheduler and run "
    "again."
)


def failure_message(error: BaseException | None) -> str:
    """Return what went wrong with a block that no worker has told of."""
    if type(error).__name__ == "KilledWorker":
        return (
            "every process that worked on it came to its end, most often for want of memory. Give workers more "
            "memory, or use fewer of them or smaller tiles (tile_px)."
        )
    return str(error) or type(error).__name__
