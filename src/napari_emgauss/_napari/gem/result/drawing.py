"""What is shown of maps, made off the GUI thread."""

from __future__ import annotations

import time
from dataclasses import dataclass

from napari_emgauss._napari.gem.result.curves import FscCurves, curves_of
from napari_emgauss._napari.viewer.layers import LayerData
from napari_emgauss._napari.viewer.particles import map_to_layer
from napari_emgauss.methods.gem import GaussianMap, MapDraft

LIVE_NAME = "Map so far"
LIVE_PX = 128
"""Voxels along a side of the live map at most, so that the viewer takes it quickly."""


@dataclass(frozen=True, eq=False)
class DraftPicture:
    """A map in training as it is shown."""

    layer_data: LayerData
    curves: FscCurves
    seconds: float
    """Time that it took."""


def draw_draft(draft: MapDraft) -> DraftPicture | None:
    """Return the map in training and its resolution so far; None before the images were read."""
    begun = time.monotonic()
    density, resolution = draft.map(), draft.resolution()
    if density is None or resolution is None:
        return None
    layer_data = map_to_layer(density, LIVE_NAME, most_px=LIVE_PX)
    return DraftPicture(layer_data, curves_of(resolution), time.monotonic() - begun)


def draw_resolution(model: GaussianMap) -> FscCurves:
    """Return the resolution of a result."""
    return curves_of(model.resolution())
