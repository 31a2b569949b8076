"""The one optimisation loop: schedule, teacher, events, control and checkpoints."""

from napari_emgauss.training.checkpoint import CheckpointStore
from napari_emgauss.training.control import Control
from napari_emgauss.training.events import Event, Finished, FinishReason, Preview, Progress, TrainingSignals
from napari_emgauss.training.loop import BlockTask, Target
from napari_emgauss.training.run import Job, run
from napari_emgauss.training.schedule import Rate, Schedule

__all__ = [
    "BlockTask",
    "CheckpointStore",
    "Control",
    "Event",
    "FinishReason",
    "Finished",
    "Job",
    "Preview",
    "Progress",
    "Rate",
    "Schedule",
    "Target",
    "TrainingSignals",
    "run",
]
