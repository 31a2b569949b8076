"""What a training tells the outside: frozen records of plain numbers and CPU copies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from psygnal import Signal, SignalGroup

from napari_emgauss._types import FloatArray


class FinishReason(Enum):
    """Why a training ended."""

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
    """Index of the block in training."""
    n_blocks: int
    """Number of blocks."""
    stage: str
    """Name of the stage."""
    loss: float
    """Loss on observed sections, averaged over recent iterations; NaN before the first."""
    pseudo_loss: float | None
    """Loss on the teacher's targets, averaged over recent iterations; None before bootstrapping."""
    n_gaussians: int
    """Gaussians of the block."""
    seconds: float
    """Time spent training, pauses left out."""
    seconds_left: float
    """Estimated time to the end."""
    withheld_psnr_db: float | None
    """PSNR on the sections held out for validation, in normalised intensities; None without any."""

    @classmethod
    def outside_blocks(cls, stage: str, done: int, total: int, *, seconds: float, seconds_left: float) -> Progress:
        """Progress of what is done before any block is trained, ``done`` of ``total`` iterations."""
        return cls(
            iteration=done,
            n_iterations=total,
            block=0,
            n_blocks=1,
            stage=stage,
            loss=math.nan,
            pseudo_loss=None,
            n_gaussians=0,
            seconds=seconds,
            seconds_left=seconds_left,
            withheld_psnr_db=None,
        )


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A rendered section of the block in training, in the input's intensity units."""

    z: float
    """Section coordinate."""
    image: FloatArray
    """Pixels (Y, X)."""
    origin_px: tuple[int, int]
    """Position (y, x) of the first pixel in the section."""


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


Event = Progress | Preview | Finished


class TrainingSignals(SignalGroup):
    """One signal per kind of event, emitted in the thread that trains."""

    progress = Signal(Progress)
    preview = Signal(Preview)
    finished = Signal(Finished)

    def send(self, event: Event) -> None:
        """Emit ``event`` on the signal of its kind."""
        if isinstance(event, Progress):
            self.progress.emit(event)
        elif isinstance(event, Preview):
            self.preview.emit(event)
        else:
            self.finished.emit(event)
