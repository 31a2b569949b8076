"""The stack in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_emgauss._napari.training.run import TrainingRun
from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss.session import Session
from napari_emgauss.volume import Volume


@dataclass(frozen=True, kw_only=True)
class TrainedStack:
    """The stack in training, and where it lies in the viewer."""

    volume: Volume
    layer: Any
    placement: LayerPlacement


class StackRun(TrainingRun):
    """A training of a stack; see `TrainingRun`."""

    def __init__(self, session: Session, stack: TrainedStack, **told: Any) -> None:
        super().__init__(session, **told)
        self.stack = stack
