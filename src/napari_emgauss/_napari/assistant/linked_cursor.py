"""The pointer's place, marked in every picture that stands beside another on the canvas."""

from __future__ import annotations

from typing import Any

OVERLAY = "emgauss_cursor"
REACH_PX = 9
"""Half of a mark's side, on the screen: what is pointed at stays in sight within it."""


class LinkedCursor:
    """A small square around the pointer, at the same place of all pictures of napari's grid.

    All of them have the same camera, so that a place of one is, counted from its corner, where it is in the others.

    Parameters
    ----------
    viewer
        The viewer itself, not a proxy.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._mark: Any = None

    def open(self) -> None:
        """Mark places from the next move of the mouse on."""
        from napari.components.overlays import ZoomOverlay

        if self._mark is not None or not hasattr(self._viewer, "canvas"):  # before napari 0.9
            return
        self._mark = ZoomOverlay(gridded=True)
        self._viewer.canvas.overlays[OVERLAY] = self._mark
        self._viewer.mouse_move_callbacks.append(self._follow)
        self._viewer.events.mouse_over_canvas.connect(self._on_leave)

    def close(self) -> None:
        """Take the marks off the canvas."""
        if self._mark is None:
            return
        self._mark.visible = False
        self._mark = None
        del self._viewer.canvas.overlays[OVERLAY]
        self._viewer.mouse_move_callbacks.remove(self._follow)
        self._viewer.events.mouse_over_canvas.disconnect(self._on_leave)

    def _follow(self, viewer: Any, event: Any) -> None:
        sides = viewer.canvas.viewbox_size(viewer.layers)
        at = [float(n % side) for n, side in zip(reversed(event.pos), sides, strict=True)]
        self._mark.position = tuple(n - REACH_PX for n in at), tuple(n + REACH_PX for n in at)
        self._mark.visible = True

    def _on_leave(self, _event: Any = None) -> None:
        self._mark.visible = self._mark.visible and self._viewer.mouse_over_canvas
