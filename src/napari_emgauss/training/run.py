"""Train block after block, tell the outside, and keep what was learned whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch

from napari_emgauss.errors import ConfigError, FileFormatError, OutOfMemoryError
from napari_emgauss.forward import SectionModel
from napari_emgauss.training.checkpoint import CheckpointStore
from napari_emgauss.training.control import Control
from napari_emgauss.training.events import Event, Finished, FinishReason, Preview, Progress
from napari_emgauss.training.loop import BlockTask, BlockTrainer, load_model_state, train_block

PROGRESS_EVERY_S = 0.1


class Job(Protocol):
    """What a method gives to `run`."""

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        ...

    @property
    def iterations_per_block(self) -> list[int]:
        """Iterations of each block's schedule."""
        ...

    def build(self, block: int) -> BlockTask:
        """Task of a block, with the model at its start; the same at every call."""
        ...


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """How often a run reports and saves."""

    preview_every_s: float = 0.0
    """Seconds between two previews; 0 makes none."""
    checkpoint_every_s: float = 60.0
    """Seconds between two checkpoints."""
    validate_every: int = 100
    """Iterations between two scorings of the held-out sections."""

    def __post_init__(self) -> None:
        if self.validate_every < 1:
            raise ConfigError(f"validate_every must be at least 1 iteration, got {self.validate_every}.")


class _Reporter:
    """Turns iterations into events and checkpoints at their intervals."""

    def __init__(
        self,
        job: Job,
        control: Control,
        emit: Callable[[Event], None],
        config: RunConfig,
        checkpoints: CheckpointStore | None,
        earlier: Progress | None,
    ) -> None:
        self.job, self.control, self.emit, self.config, self.checkpoints = job, control, emit, config, checkpoints
        self.earlier = 0 if earlier is None else earlier.iteration
        self.total = self.earlier + sum(job.iterations_per_block)
        self.before = self.earlier
        self.block = 0
        self.iteration = self.earlier
        self.seconds = self.seconds_before = 0.0 if earlier is None else earlier.seconds
        self.made = self.first_made = 0
        self.first_seconds = 0.0
        self.last_progress = self.last_preview = self.last_checkpoint = time.monotonic()

    def start_block(self, block: int) -> None:
        self.block = block
        self.before = self.earlier + sum(self.job.iterations_per_block[:block])

    def __call__(self, trainer: BlockTrainer, seconds: float) -> None:
        made, self.iteration = self.before + trainer.iteration - self.iteration, self.before + trainer.iteration
        self.seconds += seconds
        if self.made == 0:
            self.first_made, self.first_seconds = made, seconds
        self.made += made
        if trainer.iteration % self.config.validate_every < made or trainer.done:
            trainer.validate()
        now = time.monotonic()
        if (self.made > self.first_made and now - self.last_progress >= PROGRESS_EVERY_S) or trainer.done:
            self.last_progress = now
            self.emit(self.progress(trainer))
        if self.config.preview_every_s and now - self.last_preview >= self.config.preview_every_s:
            self.last_preview = now
            self.emit(preview_of(trainer.task, self.control.preview_z))
        if self.checkpoints is not None and now - self.last_checkpoint >= self.config.checkpoint_every_s:
            self.last_checkpoint = now
            self.checkpoints.save_current(self.block, *trainer.state())

    def progress(self, trainer: BlockTrainer) -> Progress:
        last = max(trainer.iteration - 1, 0)
        # The first step compiles or loads the kernels and says nothing about the others.
        typical = (self.seconds - self.seconds_before - self.first_seconds) / max(self.made - self.first_made, 1)
        return Progress(
            iteration=self.iteration,
            n_iterations=self.total,
            block=self.block,
            n_blocks=self.job.n_blocks,
            stage=trainer.task.schedule.stage(last),
            loss=float("nan") if trainer.loss is None else trainer.loss,
            pseudo_loss=trainer.pseudo_loss,
            n_gaussians=len(trainer.task.model.gaussians),
            seconds=self.seconds,
            seconds_left=typical * (self.total - self.iteration),
            withheld_psnr_db=trainer.withheld_psnr_db,
        )


def preview_of(task: BlockTask, wanted_z: float | None = None) -> Preview:
    """The section at ``wanted_z`` if it lies in the block, otherwise the middle of the block's middle gap."""
    if wanted_z is not None and task.observed[0].z <= wanted_z <= task.observed[-1].z:
        z = wanted_z
    else:
        gap = (len(task.observed) - 1) // 2
        z = (task.observed[gap].z + task.observed[gap + 1].z) / 2
    return Preview(z=z, image=task.to_output(task.model.render(z)), origin_px=task.origin_px)


def run(
    job: Job,
    *,
    control: Control,
    emit: Callable[[Event], None],
    config: RunConfig | None = None,
    checkpoints: CheckpointStore | None = None,
    earlier: Progress | None = None,
) -> tuple[list[SectionModel], int]:
    """Train every block; on a stop the present block is kept as it is and the rest stay at their start.

    Emits `Progress` and `Preview` on the way and exactly one `Finished`, in the calling thread. ``earlier`` is the last
    progress of what was done before (a teacher's training): iterations and seconds go on from it.

    Returns
    -------
    the blocks' models on the CPU, and how many of them were trained to the end.

    Raises
    ------
    OutOfMemoryError
        The device ran out of memory; `Finished` carries the message too.
    """
    reporter = _Reporter(job, control, emit, config or RunConfig(), checkpoints, earlier)
    try:
        models, n_done = _run_blocks(job, control, reporter, checkpoints)
    except (torch.cuda.OutOfMemoryError, MemoryError) as error:
        message = (
            f"out of memory while training block {reporter.block + 1} of {job.n_blocks} ({error}). "
            "Use smaller tiles (tile_px), fewer Gaussians (spacing_px, max_gaussians), or the CPU (device='cpu')."
        )
        emit(_finished(reporter, FinishReason.FAILED, message))
        raise OutOfMemoryError(message) from error
    except BaseException as error:
        emit(_finished(reporter, FinishReason.FAILED, str(error) or type(error).__name__))
        raise
    emit(_finished(reporter, FinishReason.COMPLETED if n_done == job.n_blocks else FinishReason.STOPPED))
    return models, n_done


def _run_blocks(
    job: Job, control: Control, reporter: _Reporter, checkpoints: CheckpointStore | None
) -> tuple[list[SectionModel], int]:
    models: list[SectionModel] = []
    n_done = 0
    for block in range(job.n_blocks):
        reporter.start_block(block)
        task = job.build(block)
        finished = checkpoints.load_finished(block) if checkpoints is not None else None
        if finished is not None:
            with _restoring(f"block {block + 1}"):
                load_model_state(task.model, finished)
            reporter.iteration = reporter.before + job.iterations_per_block[block]
            n_done += 1
        elif not control.stopped:
            n_done += _train(task, block, control, reporter, checkpoints)
        models.append(task.model.cpu().requires_grad_(requires_grad=False))
    return models, n_done


def _train(
    task: BlockTask, block: int, control: Control, reporter: _Reporter, checkpoints: CheckpointStore | None
) -> bool:
    """Train one block, from its checkpoint if there is one; whether it came to its end."""
    trainer = BlockTrainer(task)
    saved = checkpoints.load_current(block) if checkpoints is not None else None
    if saved is not None:
        with _restoring(f"block {block + 1}"):
            trainer.restore(*saved)
        reporter.iteration = reporter.before + trainer.iteration
    try:
        train_block(trainer, control, reporter)
    except KeyboardInterrupt:
        if checkpoints is not None:
            checkpoints.save_current(block, *trainer.state())
        raise
    if checkpoints is not None:
        if trainer.done:
            model = {n: t.detach().cpu().contiguous() for n, t in task.model.state_dict().items()}
            checkpoints.save_finished(block, model)
        else:
            checkpoints.save_current(block, *trainer.state())
    return trainer.done


@contextmanager
def _restoring(what: str) -> Iterator[None]:
    """Explain a checkpoint whose contents do not fit the model that the settings ask for."""
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FileFormatError(
            f"the checkpoint of {what} does not fit these settings ({error}). It may be of another version of the "
            "program; choose another folder to start anew."
        ) from error


def _finished(reporter: _Reporter, reason: FinishReason, message: str = "") -> Finished:
    return Finished(reason=reason, iteration=reporter.iteration, seconds=reporter.seconds, message=message)
