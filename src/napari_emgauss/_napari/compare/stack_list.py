"""The list of layers that can be the stack of a model that was opened from a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.viewer.layers import stack_of
from napari_emgauss._napari.viewer.models import OpenModel
from napari_emgauss.errors import VolumeError
from napari_emgauss.volume import Volume


class StackList:
    """Fills a `Chooser` with layers.

    Parameters
    ----------
    chooser
        The view.
    viewer
        Whose layers they are.
    connections
        The widget's, with which this ends.
    changed
        Called when another layer was chosen and when layers come, go or are renamed: `list_for` is to be called then.
    """

    def __init__(self, chooser: Chooser, viewer: Any, connections: Connections, *, changed: Callable[[], None]) -> None:
        self._chooser, self._viewer, self._connections, self._changed = chooser, viewer, connections, changed
        self.layers: list[Any] = []
        self._filling = False
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            connections.connect(event, self._tell)
        chooser.changed.connect(self._tell)

    @property
    def layer(self) -> Any | None:
        """The chosen layer."""
        return self._chooser.item

    def list_for(self, model: OpenModel | None) -> None:
        """List the layers that can be the stack of ``model``, unless that is known."""
        for layer in self.layers:
            self._connections.disconnect(layer.events.name)
        self.layers = [] if model is None or model.stack is not None else self._candidates(model)
        for layer in self.layers:
            self._connections.connect(layer.events.name, self._tell)
        self._filling = True
        self._chooser.offer([(layer.name, layer) for layer in self.layers])
        self._filling = False

    def volume(self, model: OpenModel) -> Volume:
        """Return the chosen layer's stack.

        Raises
        ------
        VolumeError
            There is none; the message says what to open.
        """
        if self.layer is None:
            n, height, width = model.reconstruction.shape
            raise VolumeError(
                f"open the stack that '{model.name}' was trained on: {n} sections of {height} × {width} px. "
                "It is found here as soon as it is a layer."
            )
        return stack_of(self.layer, voxel_size_nm=model.reconstruction.voxel_size_nm)

    def _candidates(self, model: OpenModel) -> list[Any]:
        from napari.layers import Image

        found = []
        for layer in self._viewer.layers:
            if isinstance(layer, Image) and not layer.rgb and not hasattr(layer.data, "reconstruction"):
                data = layer.data[0] if layer.multiscale else layer.data
                if tuple(data.shape) == model.reconstruction.shape:
                    found.append(getattr(layer, "__wrapped__", layer))
        return found

    def _tell(self, _: Any = None) -> None:
        if not self._filling:
            self._changed()
