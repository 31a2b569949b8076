"""The map as it is being learned, as a layer."""

from __future__ import annotations

from typing import Any

from napari_emgauss._napari.viewer.layers import LayerData


class LiveMap:
    """A layer with the newest map; removing it ends the pictures of this run.

    It begins as a surface in 3D. From then on camera and selection stay as the user leaves them, and so do contrast and
    the level of the surface once that was moved.

    Parameters
    ----------
    viewer
        Where it is shown.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Any | None = None
        self._level = 0.0

    @property
    def shown(self) -> bool:
        """Whether there is a layer of it."""
        return self._layer is not None

    @property
    def wanted(self) -> bool:
        """Whether there is a place to show it in."""
        return self._layer is None or self._layer in self._viewer.layers

    def show(self, layer_data: LayerData) -> None:
        """Show a newer map."""
        values, attributes, _ = layer_data
        if self._layer is None:
            self._layer = self._viewer.add_image(values, **attributes)
            self._level = self._layer.iso_threshold
            show_in_3d(self._viewer, self._layer)
        elif self.wanted:
            kept = self._layer.contrast_limits, self._layer.iso_threshold
            self._layer.data = values
            if kept[1] == self._level:
                self._level = attributes["iso_threshold"]
                kept = attributes["contrast_limits"], self._level
            self._layer.contrast_limits, self._layer.iso_threshold = kept

    def remove(self) -> None:
        """Take the layer away, if it is still there."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None


def show_in_3d(viewer: Any, layer: Any) -> None:
    """Turn the viewer to 3D, with a layer as large as the canvas."""
    viewer.dims.ndisplay = 3
    viewer.fit_to_view(layers=[layer])
