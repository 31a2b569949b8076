"""Layers of ours that stay when another layer is removed."""

from __future__ import annotations

import weakref
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtOpenGLWidgets import QOpenGLWidget

SHOWN_AGAIN_MS = 100


def is_ours(layer: Any) -> bool:
    """Tell whether a layer was drawn here: a preview, a section, a result."""
    return "napari-emgauss" in layer.metadata or hasattr(layer.data, "reconstruction")


class RemovalGuard:
    """Has an image removed from the canvas that it is on, and takes our layers off that for a moment.

    napari 0.9 frees what a removed layer had on the graphics card at once, in whichever window painted last. Windows
    count their textures each for themselves: where there are two of them, it would be a texture of the other one.

    vispy 0.17 frees the buffers of a removed image between two frames. With Mesa's drivers the process crashes where
    another image was on the canvas in the frame before and is drawn in the frame after, most of all where that is a
    single section: napari then hides the slider, and the canvas grows in the same moment. Where the removed image is
    ours, only such sections are taken off.

    Parameters
    ----------
    viewer
        The viewer itself, not a proxy.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = weakref.ref(viewer)
        self._hidden: weakref.WeakSet[Any] = weakref.WeakSet()
        viewer.layers.events.removing.connect(self._on_removing)
        viewer.layers.events.removed.connect(self._on_removed)

    def _on_removing(self, _event: Any) -> None:
        for canvas in self._canvases():
            canvas.makeCurrent()

    def _on_removed(self, event: Any) -> None:
        from napari.layers import Image

        viewer = self._viewer()
        if viewer is None or not isinstance(event.value, Image):
            return
        sections_only = is_ours(event.value)
        for layer in viewer.layers:
            if layer.visible and is_ours(layer) and (_is_section(layer) or not sections_only):
                layer.visible = False
                self._hidden.add(layer)
        if self._hidden:
            QTimer.singleShot(SHOWN_AGAIN_MS, self._show)

    def _show(self) -> None:
        for canvas in self._canvases():  # a busy window may not have painted since
            if canvas.isVisible():
                canvas.repaint()
        for layer in list(self._hidden):
            layer.visible = True
        self._hidden.clear()

    def _canvases(self) -> list[QOpenGLWidget]:
        """Return the canvases of the viewer's own window, none once it is closed: others may be half gone."""
        window = getattr(getattr(self._viewer(), "window", None), "_qt_window", None)
        return [] if window is None else window.findChildren(QOpenGLWidget)


def _is_section(layer: Any) -> bool:
    shape: tuple[int, ...] = getattr(layer.data, "shape", ())
    return len(shape) >= 3 and shape[-3] == 1
