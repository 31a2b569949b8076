"""A movable edge on the canvas: the stack on its left, the reconstruction on its right."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from napari_emgauss._napari.assistant.look_view import MIDDLE
from napari_emgauss._napari.viewer.isotropic import LOOKS
from napari_emgauss._napari.viewer.layers import camera_of
from napari_emgauss._types import AnyArray
from napari_emgauss.resampling.box import box_of

GRIP_PX = 8
"""The edge is taken hold of within so many pixels of the screen."""


class FirstPart:
    """The first part of an array along one axis; nothing is read before it is indexed.

    Parameters
    ----------
    whole
        Any array of three axes.
    axis, length
        How much of which axis.
    """

    ndim = 3

    def __init__(self, whole: Any, axis: int, length: int) -> None:
        self._whole = whole
        self.dtype = np.dtype(whole.dtype)
        self.shape = tuple(length if k == axis else n for k, n in enumerate(whole.shape))

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, key: Any) -> AnyArray:
        ranges, dropped = box_of(key, self.shape)
        inside = tuple(slice(axis.start, axis.stop, axis.step) for axis in ranges)
        return np.asarray(self._whole[inside])[tuple(0 if drop else slice(None) for drop in dropped)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        return np.asarray(self[:, :, :], dtype)


class Curtain:
    """A layer over the reconstruction that shows the stack up to an edge, which can be dragged on the canvas.

    Parameters
    ----------
    viewer
        The viewer itself, not a proxy.
    moved
        Called with the place of the edge when it was dragged: 0 is the left end of the stack, 1 the right one.
    lost
        Called when its layer, or the stack's, was removed by somebody else.
    """

    def __init__(self, viewer: Any, *, moved: Callable[[float], None], lost: Callable[[], None]) -> None:
        self._viewer, self._moved, self._lost = viewer, moved, lost
        self._source: Any = None
        self._layer: Any = None
        self.share = MIDDLE
        """Place of the edge."""

    @property
    def is_open(self) -> bool:
        """Whether it is on the canvas."""
        return self._layer is not None and self._layer in self._viewer.layers

    def open(self, source: Any, name: str) -> None:
        """Lay the stack of the layer ``source`` over all others, as a layer ``name``."""
        self.close()
        self._source, self.share = source, MIDDLE
        looks = {key: getattr(source, key) for key in (*LOOKS, "scale", "translate", "units", "axis_labels")}
        ours = {"napari-emgauss": {"curtain": True}}
        selection = self._viewer.layers.selection
        selected, active = set(selection), selection.active
        self._layer = self._viewer.add_image(self._part(), name=name, metadata=ours, **looks)
        self._viewer.layers.selection = selected
        self._viewer.layers.selection.active = active
        self._layer.bounding_box.points = False
        self._outline()
        self._viewer.dims.events.order.connect(self._on_order)
        self._viewer.layers.events.removed.connect(self._on_removed)
        self._viewer.mouse_drag_callbacks.append(self._on_drag)

    def close(self) -> None:
        """Take it off the canvas."""
        if self._layer is None:
            return
        layer, self._layer, self._source = self._layer, None, None
        self._viewer.dims.events.order.disconnect(self._on_order)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._viewer.mouse_drag_callbacks.remove(self._on_drag)
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def move(self, share: float) -> None:
        """Move the edge."""
        self.share = min(max(share, 0.0), 1.0)
        if self.is_open:
            self._layer.visible = self.share > 0
            self._layer.data = self._part()

    @property
    def _axis(self) -> int:
        """Axis of the stack that runs from left to right on the canvas."""
        dims = self._viewer.dims
        return int(dims.displayed[-1] - (dims.ndim - 3))

    @property
    def _whole(self) -> Any:
        return self._source.data[0] if self._source.multiscale else self._source.data

    def _part(self) -> FirstPart:
        n = self._whole.shape[self._axis]
        return FirstPart(self._whole, self._axis, max(1, round(self.share * n)))

    def _on_order(self, _event: Any = None) -> None:
        if self.is_open:
            self.move(self.share)
            self._outline()

    def _outline(self) -> None:
        """Draw a line around it; not from the side, where napari's lies half a section off."""
        dims = self._viewer.dims
        self._layer.bounding_box.visible = dims.ndim - 3 not in dims.displayed

    def _on_removed(self, event: Any) -> None:
        if event.value is self._source or event.value is self._layer:
            self._lost()

    def _on_drag(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        """Follow the mouse while it holds the edge."""
        if not self.is_open or viewer.dims.ndisplay != 2 or self._source is None:
            return
        axis, camera = self._axis, camera_of(viewer)
        n = self._whole.shape[axis]

        def share_at(position: Any) -> float:
            return float((self._layer.world_to_data(position)[axis] + 0.5) / n)

        reach = GRIP_PX / camera.zoom / (float(self._layer.scale[axis]) * n)
        if abs(share_at(event.position) - self.share) > reach:
            return
        pans, camera.mouse_pan = camera.mouse_pan, False
        yield
        while event.type == "mouse_move" and self.is_open:
            self.move(share_at(event.position))
            self._moved(self.share)
            yield
        camera.mouse_pan = pans
