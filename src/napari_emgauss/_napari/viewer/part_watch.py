"""News that the part in view, or a drawn rectangle, may have changed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.viewer.layers import camera_of


class PartWatch:
    """Follows a viewer's camera and its Shapes layers, as they come and go.

    Parameters
    ----------
    connections
        Those of the widget that is told, which end with it.
    viewer
        The viewer itself, not a proxy.
    view_moved, shapes_changed
        Called in the GUI thread; often, while the camera moves.
    """

    def __init__(
        self,
        connections: Connections,
        viewer: Any,
        *,
        view_moved: Callable[[], None],
        shapes_changed: Callable[[], None],
    ) -> None:
        self._connections, self._viewer = connections, viewer
        self._view_moved, self._shapes_changed = view_moved, shapes_changed
        self._watched: weakref.WeakSet[Any] = weakref.WeakSet()
        camera, layers, dims = camera_of(viewer).events, viewer.layers.events, viewer.dims.events
        for event in (camera.center, camera.zoom, dims.order, dims.ndisplay):
            connections.connect(event, self._on_view)
        for event in (layers.inserted, layers.removed, viewer.layers.selection.events.active):
            connections.connect(event, self._on_shapes)
        self._find_shapes()

    def _on_view(self, _event: Any = None) -> None:
        self._view_moved()

    def _on_shapes(self, _event: Any = None) -> None:
        self._find_shapes()
        self._shapes_changed()

    def _find_shapes(self) -> None:
        for layer in self._viewer.layers:
            if hasattr(layer, "selected_data") and hasattr(layer.events, "data") and layer not in self._watched:
                self._watched.add(layer)
                self._connections.connect(layer.events.data, self._on_shapes)
