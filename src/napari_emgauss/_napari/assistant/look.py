"""Look, between its page, the open models and the viewer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from napari_emgauss._napari.assistant.curtain import Curtain
from napari_emgauss._napari.assistant.linked_cursor import LinkedCursor
from napari_emgauss._napari.assistant.look_view import LookView
from napari_emgauss._napari.compare.plain_layer import PlainLayer
from napari_emgauss._napari.compare.scoring import Scoring
from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.viewer.isotropic import add_isotropic, isotropic_layer_of
from napari_emgauss._napari.viewer.layers import camera_of, fit_to_view, grid_of
from napari_emgauss._napari.viewer.model_list import ModelList
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels
from napari_emgauss._napari.viewer.regions import look_at
from napari_emgauss._napari.viewer.removal import is_ours
from napari_emgauss.evaluation import Place

KEY = "b"
AXES = {"xy": (0, 1, 2), "xz": (1, 0, 2), "yz": (2, 0, 1)}
"""Order of the axes (z, y, x) of each orientation; the first of them is on the slider."""
LATER = "The verdict comes when the training has ended."
NO_STACK = "Open the stack that this model was trained on, to see the verdict."


class LookController:
    """Shows original and reconstruction on the canvas while the page is open.

    Parameters
    ----------
    view
        The page, whose destruction ends everything.
    viewer
        The viewer itself, not a proxy.
    models
        Those of the viewer.
    """

    def __init__(self, view: LookView, viewer: Any, models: OpenModels) -> None:
        self.view, self._viewer = view, viewer
        self._connections = Connections(view)
        self._models = ModelList(view.models, models, self._connections, offers=lambda model: model.has_sections)
        self.scoring = Scoring(view.scores)
        self._plain = PlainLayer(view, viewer)
        self._curtain = Curtain(viewer, moved=view.show_share, lost=lambda: view.curtain.setChecked(False))
        self._cursor = LinkedCursor(viewer)
        self._open, self._hidden = False, list[Any]()
        self._judged: OpenModel | None = None
        self._key_before: Any = None
        self._grid_before: dict[str, Any] = {}
        view.models.changed.connect(self._choose)
        view.turned.connect(self.turn)
        view.original_wanted.connect(self.show_original)
        view.side_by_side_wanted.connect(self.show_side_by_side)
        view.curtain_wanted.connect(self.show_curtain)
        view.faded.connect(self.fade)
        self.scoring.wanted.connect(self._interpolate)
        self.scoring.place_chosen.connect(self.go_to_place)
        self._connections.connect(viewer.dims.events.order, self._on_order)
        view.destroyed.connect(self._let_go_of_key)

    @property
    def model(self) -> OpenModel | None:
        """The chosen model."""
        return self._models.model

    @property
    def layer(self) -> Any | None:
        """The isotropic layer of the chosen model, None while there is none."""
        return None if self.model is None else isotropic_layer_of(self._viewer, self.model.reconstruction)

    def begin(self) -> None:
        """The page is shown: so is the isotropic layer, and the key works."""
        if not self._open:
            self._open = True
            self._key_before = self._viewer.bind_key(KEY, lambda _: self.view.original.toggle(), overwrite=True)
            self._on_order()
        self._choose()

    def end(self) -> None:
        """The page is left: the canvas is as it was."""
        if self._open:
            self._let_go_of_key()
            self._reset()

    def turn(self, orientation: str) -> None:
        """Show the canvas in one of `AXES`, cut through the middle of what is in view."""
        dims = self._viewer.dims
        if dims.ndim >= 3:
            before = dims.ndim - 3
            order = (*range(before), *(before + axis for axis in AXES[orientation]))
            self._cut_in_the_middle(order[before])
            dims.ndisplay = 2
            dims.order = order

    def _cut_in_the_middle(self, axis: int) -> None:
        """Move the slider of an axis that is displayed to the middle of what is in view of the reconstruction."""
        dims, layer = self._viewer.dims, self.layer
        if layer is None or dims.ndisplay != 2 or axis not in dims.displayed or grid_of(self._viewer).enabled:
            return
        middle = camera_of(self._viewer).center[-2:][dims.displayed.index(axis)]
        low, high = layer.extent.world[:, axis - dims.ndim]
        dims.set_point(axis, float(np.clip(middle, low, high)))

    def show_original(self, original: bool) -> None:
        """Hide what was reconstructed, or show it again."""
        self._restore()
        if original:
            self._alone(self.view.original)
            self._show_only(self._stack_layers())

    def show_side_by_side(self, beside: bool) -> None:
        """Show original and reconstruction in halves of the canvas, or in one place again."""
        grid = grid_of(self._viewer)
        self._restore()
        if beside and self.layer is not None:
            self._alone(self.view.side_by_side)
            self._show_only([*self._stack_layers(), self.layer])
            self._grid_before = {name: getattr(grid, name) for name in ("enabled", "shape", "stride", "spacing")}
            grid.shape, grid.stride, grid.spacing = (1, -1), 1, 0
            grid.enabled = True
            fit_to_view(self._viewer)
            self._cursor.open()
        elif self._grid_before:
            self._cursor.close()
            for name, value in self._grid_before.items():
                setattr(grid, name, value)
            self._grid_before = {}
            fit_to_view(self._viewer)

    def show_curtain(self, drawn: bool) -> None:
        """Show the original on one side of a movable edge and the reconstruction on the other, or the latter alone."""
        self._curtain.close()
        if self.layer is not None:
            self.layer.opacity = 1.0
        sources = self._stack_layers()
        if drawn and sources and self.model is not None:
            self._alone(self.view.curtain)
            self._curtain.open(sources[0], self.model.layer_name("original"))

    def fade(self, share: float) -> None:
        """Show so much of the reconstruction over the original, or move the edge between them there."""
        if self._curtain.is_open:
            self._curtain.move(share)
        elif self.layer is not None:
            self.layer.opacity = share

    def go_to_place(self, place: Place) -> None:
        """Have the canvas show a place."""
        if self.model is not None:
            nm, at = self.model.placement.nm_per_unit, (place.z, place.y, place.x)
            look_at(self._viewer, self.model.reconstruction, nm, at, side_px=place.side_px)

    def _choose(self) -> None:
        """Show the chosen model and judge it."""
        model = self.model
        if not self._open or model is None:
            return
        self._reset()
        if self.layer is None:
            add_isotropic(self._viewer, model, model.source_layer)
        elif not self.layer.visible:
            self.layer.visible = True
        if model is not self._judged:
            self._judged = model
            self._judge(model)

    def _judge(self, model: OpenModel) -> None:
        if model.is_draft or model.stack is None:
            self.scoring.clear()
            self.view.scores.show_text(LATER if model.is_draft else NO_STACK)
        else:
            self.scoring.score(model.trained, model.stack)

    def _interpolate(self, method: str) -> None:
        if self.model is not None and self.model.stack is not None:
            self._plain.add(self.model, self.model.stack, method)

    def _stack_layers(self) -> list[Any]:
        source = None if self.model is None else self.model.source_layer
        return [] if source is None else [source]

    def _show_only(self, shown: Iterable[Any]) -> None:
        """Hide what was drawn here, but not ``shown``."""
        shown = list(shown)
        self._hidden = [
            layer for layer in self._viewer.layers if layer.visible and is_ours(layer) and layer not in shown
        ]
        for layer in self._hidden:
            layer.visible = False
        for layer in shown:
            layer.visible = True

    def _restore(self) -> None:
        hidden, self._hidden = self._hidden, []
        for layer in hidden:
            if layer in self._viewer.layers:
                layer.visible = True

    def _alone(self, pressed: Any) -> None:
        """Release the buttons of the other ways to compare: one at a time."""
        for each in (self.view.original, self.view.side_by_side, self.view.curtain):
            if each is not pressed:
                each.setChecked(False)

    def _reset(self) -> None:
        self.show_side_by_side(False)
        self.show_curtain(False)
        self.fade(1.0)
        self.view.show_after()

    def _on_order(self, _event: Any = None) -> None:
        dims = self._viewer.dims
        before = dims.ndim - 3
        order = tuple(axis - before for axis in dims.order[-3:])
        self.view.show_orientation(next((name for name, axes in AXES.items() if axes == order), ""))

    def _let_go_of_key(self) -> None:
        if self._open:
            self._open = False
            self._viewer.bind_key(KEY, self._key_before, overwrite=True)
