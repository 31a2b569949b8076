"""The blocks of a job as a layer of labels over its stack."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from napari_emgauss._napari.jobs.colours import colormap
from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss._types import Triple
from napari_emgauss.io.jobs import BlockGrid, BlockState

MOVED_PX = 4
"""A press that moves further is no click."""


class GridLayer:
    """A layer of labels, one colour for each state; a click on a block tells which one it is.

    Parameters
    ----------
    viewer
        The viewer itself, not a proxy.
    on_click
        Called with the number of the block.
    """

    def __init__(self, viewer: Any, on_click: Callable[[int], None]) -> None:
        self._viewer, self._on_click = viewer, on_click
        self._layer: weakref.ref[Any] | None = None
        self._grid: BlockGrid | None = None
        self._shown: tuple[BlockState, ...] = ()

    @property
    def layer(self) -> Any | None:
        """The layer, None before it comes and once it was deleted."""
        layer = None if self._layer is None else self._layer()
        return layer if layer is not None and layer in self._viewer.layers else None

    def open(
        self, name: str, grid: BlockGrid, placement: LayerPlacement, voxel_size_nm: Triple, origin_nm: Triple
    ) -> None:
        """Begin with the blocks of a stack with this grid; they appear with the first `show`."""
        self.close()
        self._grid, self._name = grid, name
        self._place = placement.attributes(*grid.placement(voxel_size_nm, origin_nm))
        self._viewer.mouse_drag_callbacks.append(self._press)

    def show(self, states: Sequence[BlockState]) -> None:
        """Show the states of all blocks; a layer that was deleted does not come back."""
        states = tuple(states)
        if self._grid is None or states == self._shown or len(states) != len(self._grid):
            return
        first, self._shown = not self._shown, states
        labels = self._grid.labels(states)
        if first:
            selected = set(self._viewer.layers.selection)
            layer = self._viewer.add_labels(
                labels,
                name=self._name,
                colormap=colormap(),
                opacity=1.0,
                metadata={"napari-emgauss": {"drawn": "blocks"}},
                **self._place,
            )
            layer.editable = False
            self._layer = weakref.ref(layer)
            if selected:
                self._viewer.layers.selection = selected
        elif self.layer is not None:
            self.layer.data = labels
            self.layer.editable = False

    def block_at(self, position: Sequence[float]) -> int | None:
        """Return the block at a place of the viewer's world; None outside, and in 3D, where a click is no place."""
        layer = self.layer
        if layer is None or self._grid is None or not layer.visible or self._viewer.dims.ndisplay != 2:
            return None
        return self._grid.block_of_sample(layer.world_to_data(position))

    def close(self) -> None:
        """Take the layer away."""
        layer = self.layer
        if self._press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._press)
        self._layer, self._grid, self._shown = None, None, ()
        if layer is not None:
            self._viewer.layers.remove(layer)

    def _press(self, _viewer: Any, event: Any) -> Iterator[None]:
        """Tell of a click; napari goes on with this when the button moves and when it is released."""
        begun = tuple(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        if max(abs(a - b) for a, b in zip(begun, event.pos, strict=True)) <= MOVED_PX:
            block = self.block_at(event.position)
            if block is not None:
                self._on_click(block)
