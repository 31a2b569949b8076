"""Training of block after block in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

import torch

from napari_emgauss.errors import ConfigError, FileFormatError, OutOfMemoryError
from napari_emgauss.runtime.memory import is_out_of_memory
from napari_emgauss.training.arrival import ArrivingPreview
from napari_emgauss.training.control import Control
from napari_emgauss.training.events import Finished, FinishReason, Improved, Progress
from napari_emgauss.training.loop import BlockTrainer, train_block
from napari_emgauss.training.protocol import Emit, Job, Store

PROGRESS_EVERY_S = 0.1
ASK_AGAIN_S = 0.5
"""Time after which blocks that other processes work on are asked for again."""
SHOWN_FROM = 0.6
"""Share of a block's iterations after which previews show it where the user looks: before, a draft is better."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Intervals at which a run reports and saves."""

    preview_every_s: float = 0.0
    """Seconds between two previews; 0 makes none."""
    checkpoint_every_s: float = 60.0
    """Seconds between two checkpoints."""
    validate_every: int = 100
    """Iterations between two scorings."""

    def __post_init__(self) -> None:
        if self.validate_every < 1:
            raise ConfigError(f"validate_every must be at least 1 iteration, got {self.validate_every}.")


class LocalEngine:
    """Engine that trains in the calling thread.

    Parameters
    ----------
    config
        Intervals of reports and checkpoints.
    earlier
        Last progress of what was done before the blocks: iterations and seconds continue from it.
    """

    def __init__(self, config: RunConfig | None = None, earlier: Progress | None = None) -> None:
        self.config, self.earlier = config or RunConfig(), earlier

    def run(self, job: Job, store: Store, control: Control, emit: Emit) -> FinishReason:
        """Train every block that ``store`` does not hold yet; those that it holds are neither built nor read."""
        run = BlocksRun(job, store, control, emit, self.config, self.earlier)
        try:
            reason = run.all_blocks()
        except BaseException as error:
            message = str(error) or type(error).__name__
            if is_out_of_memory(error):
                message = out_of_memory(run.block, job.n_blocks, error)
                run.end(FinishReason.FAILED, message)
                raise OutOfMemoryError(message) from error
            run.end(FinishReason.FAILED, message)
            raise
        run.end(reason)
        return reason


def out_of_memory(block: int, n_blocks: int, error: BaseException) -> str:
    """Return what to say of a block that had no room."""
    return (
        f"out of memory while training block {block + 1} of {n_blocks} ({error}). "
        "Use smaller tiles (tile_px), fewer Gaussians (spacing_px, max_gaussians), or the CPU (device='cpu')."
    )


class BlockEnd(Enum):
    """How the work on a block ended."""

    DONE = "done"
    STOPPED = "stopped"
    CLAIMED = "claimed"
    """Another process works on it."""
    FAILED = "failed"


class BlocksRun:
    """The training of blocks in this process: its place in the job, and the clock by which it reports."""

    def __init__(
        self, job: Job, store: Store, control: Control, emit: Emit, config: RunConfig, earlier: Progress | None
    ) -> None:
        self.job, self.store, self.control, self.emit, self.config = job, store, control, emit, config
        self.iterations = [job.iterations(block) for block in range(job.n_blocks)]
        self.before = self.iteration = 0 if earlier is None else earlier.iteration
        self.total = self.before + sum(self.iterations)
        self.block = self.n_before = 0
        self.seconds = self.seconds_before = 0.0 if earlier is None else earlier.seconds
        self.made = self.first_made = 0
        self.first_seconds = 0.0
        self.arriving: ArrivingPreview | None = None
        self.last_progress = self.last_preview = self.last_checkpoint = time.monotonic()

    def all_blocks(self) -> FinishReason:
        """Train what is to be trained; STOPPED if something is left."""
        waiting = [block for block in range(self.job.n_blocks) if not self.store.is_done(block)]
        self.n_before = self.job.n_blocks - len(waiting)
        self.before += sum(self.iterations) - sum(self.iterations[block] for block in waiting)
        self.iteration = self.before
        self.store.log("opened", engine="local")
        elsewhere: set[int] = set()
        while waiting and not self.control.stopped:
            free = [block for block in waiting if block not in elsewhere]
            if not free:  # other processes work on all that is left
                elsewhere.clear()
                time.sleep(ASK_AGAIN_S)
                continue
            block = self.job.nearest(free, self.control.preview_at)
            end = self.one_block(block)
            if end is BlockEnd.STOPPED:
                break
            if end is BlockEnd.CLAIMED:
                elsewhere.add(block)
                continue
            waiting.remove(block)
            self.n_before += 1
            self.before += self.iterations[block]
            self.emit(Improved(block=block))
        return FinishReason.STOPPED if waiting else FinishReason.COMPLETED

    def one_block(self, block: int) -> BlockEnd:
        """Train one block, unless another process does."""
        self.block = block
        with self.store.claimed(block) as own:
            if not own:
                return BlockEnd.CLAIMED
            if self.store.is_done(block):
                return BlockEnd.DONE
            before = self.seconds
            self.store.log("begun", block=block)
            try:
                end = BlockEnd.DONE if self._train(block) else BlockEnd.STOPPED
            except BaseException as error:
                self.store.log(BlockEnd.FAILED.value, block=block, message=str(error) or type(error).__name__)
                raise
            self.store.log(end.value, block=block, seconds=round(self.seconds - before, 3))
            return end

    def _train(self, block: int) -> bool:
        """Train one block, from its checkpoint if there is one; whether it came to its end."""
        trainer, saved = BlockTrainer(self.job.build(block)), self.store.load_state(block)
        if self.control.stopped and saved is None:
            return False  # a stop can cut the building short: nothing of it is worth keeping
        if saved is not None:
            with _restoring(f"block {block + 1}"):
                trainer.restore(*saved)
            self.iteration = self.before + trainer.iteration
        try:
            train_block(trainer, self.control, self._after_step)
        except KeyboardInterrupt:
            self.store.save_state(block, *trainer.state())
            raise
        if trainer.done:
            self.store.save_done(block, *trainer.result())
        else:
            self.store.save_state(block, *trainer.state())
        return trainer.done

    def _after_step(self, trainer: BlockTrainer, seconds: float) -> None:
        made, self.iteration = self.before + trainer.iteration - self.iteration, self.before + trainer.iteration
        self.seconds += seconds
        if self.made == 0:
            self.first_made, self.first_seconds = made, seconds
        self.made += made
        if trainer.iteration % self.config.validate_every < made or trainer.done or not trainer.scores:
            trainer.score()
        if self.arriving is not None and self.arriving.has_arrived:
            self.emit(self.arriving.take())
            self.arriving = None
        now = time.monotonic()
        if (self.made > self.first_made and now - self.last_progress >= PROGRESS_EVERY_S) or trainer.done:
            self.last_progress = now
            self.emit(self._progress(trainer))
        due = self.arriving is None and now - self.last_preview >= self.config.preview_every_s
        if self.config.preview_every_s and due:
            self.last_preview = now
            self._preview(trainer)
        if self.store.durable and now - self.last_checkpoint >= self.config.checkpoint_every_s:
            self.last_checkpoint = now
            self.store.save_state(self.block, *trainer.state())

    def _preview(self, trainer: BlockTrainer) -> None:
        wanted = self.control.preview_at
        if wanted is not None and trainer.iteration < SHOWN_FROM * trainer.objective.schedule.total:
            return
        with torch.no_grad():
            preview = trainer.objective.preview(wanted)
        if isinstance(preview, ArrivingPreview):
            self.arriving = preview
        elif preview is not None:
            self.emit(preview)

    def _progress(self, trainer: BlockTrainer) -> Progress:
        # The first step compiles or loads the kernels and says nothing about the others.
        typical = (self.seconds - self.seconds_before - self.first_seconds) / max(self.made - self.first_made, 1)
        return Progress(
            iteration=self.iteration,
            n_iterations=self.total,
            block=self.n_before,
            n_blocks=self.job.n_blocks,
            stage=trainer.objective.schedule.stage(max(trainer.iteration - 1, 0)).name,
            losses=dict(trainer.losses),
            scores=dict(trainer.scores),
            seconds=self.seconds,
            seconds_left=typical * (self.total - self.iteration),
        )

    def end(self, reason: FinishReason, message: str = "") -> None:
        """Emit the terminal event."""
        self.emit(Finished(reason=reason, iteration=self.iteration, seconds=self.seconds, message=message))


@contextmanager
def _restoring(what: str) -> Iterator[None]:
    """Explain a checkpoint whose contents do not fit the model that the settings ask for."""
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        if is_out_of_memory(error):
            raise
        raise FileFormatError(
            f"the checkpoint of {what} does not fit these settings ({error}). It may be of another version of the "
            "program; choose another folder to start anew."
        ) from error
