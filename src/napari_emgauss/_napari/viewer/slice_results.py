"""Layers of volumes that were made of slices; each carries the model that it was drawn from."""

from __future__ import annotations

from typing import Any

from napari_emgauss._napari.viewer.layers import LayerData
from napari_emgauss._napari.viewer.space import volume_to_layer
from napari_emgauss.methods.svr import SliceReconstruction
from napari_emgauss.slices import WorldVolume

OURS, MODEL = "napari-emgauss", "slice reconstruction"
"""Keys of a layer's metadata: how it was made, and its model."""


def result_to_layer(volume: WorldVolume, model: SliceReconstruction, name: str) -> LayerData:
    """Return the layer data of a model's volume."""
    values, attributes, kind = volume_to_layer(volume, name)
    return values, attributes | {"metadata": {OURS: dict(model.record), MODEL: model}}, kind


def model_of(layer: Any) -> SliceReconstruction | None:
    """Return the model of a result's layer, None if it is another layer."""
    model = layer.metadata.get(MODEL)
    return model if isinstance(model, SliceReconstruction) else None
