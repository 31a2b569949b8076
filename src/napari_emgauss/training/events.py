"""Events of a training: frozen records of plain numbers and CPU copies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from psygnal import Signal, SignalGroup

from napari_emgauss._types import FloatArray, Triple


class FinishReason(Enum):
    """Reason why a training ended."""

    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """State after an iteration."""

    iteration: int
    """Iterations done, over all blocks."""
    n_iterations: int
    """Iterations to do, over all blocks."""
    block: int
    """Number of blocks that came before the one in training."""
    n_blocks: int
    """Number of blocks."""
    stage: str
    """Name of the stage."""
    losses: Mapping[str, float]
    """Losses by the name of what was compared, averaged over recent iterations: ``loss`` for what was measured."""
    scores: Mapping[str, float]
    """Latest judgement of the model, by name; empty before the first."""
    seconds: float
    """Time spent training, pauses left out."""
    seconds_left: float
    """Estimated time to the end; of the stage alone, if ``of_stage``."""
    of_stage: bool = False
    """Whether the stage is no part of the blocks' iterations, and knows of no time but its own."""

    @property
    def loss(self) -> float:
        """Loss on what was measured; NaN before the first iteration."""
        return self.losses.get("loss", math.nan)

    @classmethod
    def outside_blocks(cls, stage: str, done: int, total: int, *, seconds: float, seconds_left: float) -> Progress:
        """Progress of a stage before any block is trained, ``done`` of ``total`` iterations."""
        return cls(
            iteration=done,
            n_iterations=total,
            block=0,
            n_blocks=1,
            stage=stage,
            losses={},
            scores={},
            seconds=seconds,
            seconds_left=seconds_left,
            of_stage=True,
        )


@dataclass(frozen=True, kw_only=True)
class PlanePlacement:
    """Place of an image in the input, in its own coordinates: (z, y, x), or those of a world."""

    origin: Triple
    """Centre of the first pixel."""
    row: Triple = (0.0, 1.0, 0.0)
    """Step from a row to the next."""
    column: Triple = (0.0, 0.0, 1.0)
    """Step from a column to the next."""
    plane: Triple = (1.0, 0.0, 0.0)
    """Step from a plane to the next, where there are several."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """An image of the block in training, in the input's intensity units."""

    image: FloatArray
    """Pixels (rows, columns), or voxels (planes, rows, columns)."""
    placement: PlanePlacement
    """Where it lies."""
    label: str = ""
    """Short name of what it shows."""


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something that a person should know while the training goes on."""

    message: str
    """One sentence or two, with what to do."""


@dataclass(frozen=True, kw_only=True)
class Improved:
    """What can be drawn of the whole input became better while it is being trained."""

    block: int | None = None
    """Index of the block whose training has ended; None where all of the input is better known."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The terminal event: exactly one per training."""

    reason: FinishReason
    iteration: int
    """Iterations done, over all blocks."""
    seconds: float
    """Time spent training, pauses left out."""
    message: str = ""
    """What went wrong, for a failure."""


Event = Progress | Preview | Notice | Improved | Finished


class TrainingSignals(SignalGroup):
    """One signal per kind of event, emitted in the thread that trains."""

    progress = Signal(Progress)
    preview = Signal(Preview)
    notice = Signal(Notice)
    improved = Signal(Improved)
    finished = Signal(Finished)

    def send(self, event: Event) -> None:
        """Emit ``event`` on the signal of its kind."""
        if isinstance(event, Progress):
            self.progress.emit(event)
        elif isinstance(event, Preview):
            self.preview.emit(event)
        elif isinstance(event, Notice):
            self.notice.emit(event)
        elif isinstance(event, Improved):
            self.improved.emit(event)
        else:
            self.finished.emit(event)
