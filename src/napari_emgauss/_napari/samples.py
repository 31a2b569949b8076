"""Sample data."""

from __future__ import annotations

from napari_emgauss._napari.layers import LayerData, to_layer
from napari_emgauss.phantom import phantom


def anisotropic_phantom() -> list[LayerData]:
    """A synthetic EM volume of which every sixth section is kept."""
    return [to_layer(phantom().every(6), "EM phantom")]
