"""The one training loop: objectives, schedules of stages, hooks, events, control, engines.

It knows of no Gaussian, section or depth; `protocol` says what a method gives it.
"""

from napari_emgauss.training.arrival import ArrivingPreview
from napari_emgauss.training.control import Control
from napari_emgauss.training.descent import Descent
from napari_emgauss.training.ending import noted, told_last
from napari_emgauss.training.engines import BlockSpec, LocalEngine, OpenedJob, RunConfig, run_block
from napari_emgauss.training.events import (
    Event,
    Finished,
    FinishReason,
    Improved,
    Notice,
    PlanePlacement,
    Preview,
    Progress,
    TrainingSignals,
)
from napari_emgauss.training.loop import BlockTrainer, model_of
from napari_emgauss.training.protocol import (
    BoxDrawing,
    Descended,
    DrawingEngine,
    Emit,
    Engine,
    Hook,
    Job,
    Objective,
    Sample,
    SavedState,
    SharedJob,
    Solver,
    Store,
)
from napari_emgauss.training.schedule import Rate, Schedule, Stage
from napari_emgauss.training.watch import Watch

__all__ = [
    "ArrivingPreview",
    "BlockSpec",
    "BlockTrainer",
    "BoxDrawing",
    "Control",
    "Descended",
    "Descent",
    "DrawingEngine",
    "Emit",
    "Engine",
    "Event",
    "FinishReason",
    "Finished",
    "Hook",
    "Improved",
    "Job",
    "LocalEngine",
    "Notice",
    "Objective",
    "OpenedJob",
    "PlanePlacement",
    "Preview",
    "Progress",
    "Rate",
    "RunConfig",
    "Sample",
    "SavedState",
    "Schedule",
    "SharedJob",
    "Solver",
    "Stage",
    "Store",
    "TrainingSignals",
    "Watch",
    "model_of",
    "noted",
    "run_block",
    "told_last",
]
