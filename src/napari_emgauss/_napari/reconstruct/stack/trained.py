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

    @property
    def name(self) -> str:
        """Of the layer, and whether it is a part of it: models and layers are named by it."""
        layer = self.layer
        whole = tuple((layer.data[0] if layer.multiscale else layer.data).shape)
        return str(layer.name) if self.volume.shape == whole else f"{layer.name} (part)"


class StackRun(TrainingRun):
    """A training of a stack; see `TrainingRun`."""

    def __init__(self, session: Session, stack: TrainedStack, **told: Any) -> None:
        super().__init__(session, **told)
        self.stack = stack
