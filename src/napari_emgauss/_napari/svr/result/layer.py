"""The volume as it is being learned, in place over the stacks."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_emgauss._napari.viewer.space import volume_to_layer
from napari_emgauss.slices import WorldVolume
from napari_emgauss.training import Preview

PREVIEW_NAME = "Volume so far"


def volume_of(preview: Preview) -> WorldVolume:
    """Return the volume that a preview shows."""
    place, affine = preview.placement, np.eye(4)
    affine[:3] = np.stack([place.plane, place.row, place.column, place.origin], 1)
    return WorldVolume(preview.image, affine)


class VolumeSoFar:
    """A layer with the newest preview; removing it ends the previews of this run.

    Selection, camera and contrast stay as the user left them.

    Parameters
    ----------
    viewer
        Where it is shown.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Any | None = None

    def show(self, volume: WorldVolume) -> None:
        """Show a newer volume."""
        values, attributes, _ = volume_to_layer(volume, PREVIEW_NAME)
        if self._layer is None:
            selected = set(self._viewer.layers.selection)
            self._layer = self._viewer.add_image(values, metadata={"napari-emgauss": {"preview": True}}, **attributes)
            self._viewer.layers.selection.clear()
            self._viewer.layers.selection.update(selected)
        elif self._layer in self._viewer.layers:
            # The first picture is of the stacks as they lie, later ones are around where they were placed.
            self._layer.data, self._layer.affine = values, attributes["affine"]

    def remove(self) -> None:
        """Take the layer away, if it is still there."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None
