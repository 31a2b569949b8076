"""The stacks that are chosen, between their form and the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import EXPLAINED, message_of
from napari_emgauss._napari.svr.stacks.form import StackRow, StacksForm
from napari_emgauss._napari.svr.stacks.memory import remember_thickness, remembered_thickness
from napari_emgauss._napari.viewer.layers import LayerData
from napari_emgauss._napari.viewer.space import SLICES, LayerInSpace, place_of, read_nifti_layers
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.errors import VolumeError
from napari_emgauss.slices import SliceStack
from napari_emgauss.slices.affine import spacing_of
from napari_emgauss.slices.arrays import is_thick, mask_on

OURS = "napari-emgauss"


@dataclass(frozen=True, eq=False)
class ChosenStack:
    """A stack as it is entered; nothing was read yet."""

    image: LayerInSpace
    mask: LayerInSpace | None
    thickness_mm: float

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return int(self.image.data.shape[self.image.axes[0]])

    @property
    def pixel_mm(self) -> float:
        """Smallest spacing in the plane."""
        return float(spacing_of(self.image.affine)[list(self.image.axes[1:])].min())

    def read(self) -> SliceStack:
        """Return its slices and mask in memory, from any thread; raises `VolumeError`."""
        stack = self.image.stack(self.thickness_mm)
        if self.mask is None:
            return stack
        return replace(stack, mask=mask_on(stack, np.asarray(self.mask.data), self.mask.affine, self.mask.name))


class StackSelection(QObject):
    """Stacks to make a volume of; ``changed`` tells that `chosen` may differ.

    Every grey-level layer with three axes is offered, and those are ticked whose slices are thicker than their pixels.

    Parameters
    ----------
    form
        Where they are entered.
    viewer
        The viewer itself, not a proxy.
    """

    changed = Signal()

    def __init__(self, form: StacksForm, viewer: Any) -> None:
        super().__init__(form)
        self.form, self._viewer = form, viewer
        self._guessed: set[Any] = set()
        """Layers whose thickness is only the distance between their slices."""
        self._connections = Connections(form)
        self._followed: list[Any] = []
        self._opening = Worker(form, name="emgauss-open", draws=False)
        form.files_wanted.connect(self.open)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            self._connections.connect(event, self._list_layers)
        self._list_layers()

    @property
    def layers(self) -> list[Any]:
        """The layers that are ticked, the reference first."""
        ticked = [layer for layer, row in self.form.rows.items() if row.ticked]
        return sorted(ticked, key=lambda layer: layer is not self.form.reference.item)

    def chosen(self) -> list[ChosenStack]:
        """Return what is entered, the reference first.

        Raises
        ------
        VolumeError
            No stack is ticked, or one cannot be used; the message says why.
        """
        if not self.form.rows:
            raise VolumeError("open the stacks first: NIfTI files, or image layers with their place in space.")
        ticked = [self._chosen(layer, self.form.rows[layer]) for layer in self.layers]
        if not ticked:
            raise VolumeError("tick the stacks to use. Three in different orientations are usual.")
        return ticked

    def chosen_or_none(self) -> list[ChosenStack]:
        """Return what is entered; nothing where it cannot be used."""
        try:
            return self.chosen()
        except EXPLAINED:
            return []

    def open(self, paths: Sequence[Path]) -> None:
        """Open NIfTI files as layers, read off the GUI thread."""
        for path in paths:
            self._opening.submit(partial(read_nifti_layers, path), done=self._add)

    def _add(self, layers: list[LayerData]) -> None:
        from napari.layers import Layer

        for data, attributes, kind in layers:
            self._viewer.add_layer(Layer.create(data, attributes, kind))

    def _chosen(self, layer: Any, row: StackRow) -> ChosenStack:
        image = LayerInSpace.of(layer)
        if not row.thickness.value():
            raise VolumeError(f"{image.name}: enter how thick its slices are, in mm.")
        mask = row.mask.item
        return ChosenStack(
            image=image,
            mask=None if mask is None or isinstance(mask, str) else LayerInSpace.of(mask),
            thickness_mm=row.thickness.value(),
        )

    def _list_layers(self, _event: Any = None) -> None:
        """Follow layers as they come, go and are renamed."""
        layers = [layer for layer in self._viewer.layers if _is_candidate(layer)]
        for gone in [layer for layer in self.form.rows if not any(layer is other for other in layers)]:
            self.form.remove(gone)
            self._guessed.discard(gone)
        passed_over = [self._add_row(layer) for layer in layers if layer not in self.form.rows]
        self.form.show_passed_over(next(filter(None, passed_over), ""))
        for layer in self._viewer.layers:
            if not any(layer is known for known in self._followed):
                for event in (layer.events.name, layer.events.scale, layer.events.units):
                    self._connections.connect(event, self._list_layers)
        self._followed = list(self._viewer.layers)
        self._offer_masks()
        self._update()

    def _add_row(self, layer: Any) -> str:
        """Offer a layer as a stack; return why it is none, '' where it is one."""
        try:
            image = LayerInSpace.of(layer)
        except EXPLAINED as error:
            return str(error)
        spacing = float(spacing_of(image.affine)[image.axes[0]])
        known = image.thickness_mm or remembered_thickness(image.path)
        row = StackRow(
            self.form,
            image.name,
            ticked=is_thick(image.affine) and image.states_unit,
            thickness_mm=known or round(spacing, 3),
        )
        if known is None:
            self._guessed.add(layer)
        row.thickness_entered.connect(lambda value, layer=layer: self._take_thickness(layer, value))
        row.mask_wanted.connect(lambda layer=layer: self._draw_mask(layer))
        row.edited.connect(self._update)
        self.form.add(layer, row)
        return ""

    def _take_thickness(self, layer: Any, thickness_mm: float) -> None:
        """Remember what was entered, with the layer and for its file."""
        self._guessed.discard(layer)
        told = layer.metadata[SLICES] = {**(layer.metadata.get(SLICES) or {}), "thickness_mm": thickness_mm or None}
        remember_thickness(told.get("path"), thickness_mm)

    def _offer_masks(self) -> None:
        from napari.layers import Labels

        masks = [layer for layer in self._viewer.layers if isinstance(layer, Labels) and layer.ndim == 3]
        for layer, row in self.form.rows.items():
            row.rename(str(layer.name))
            row.offer_masks([(mask.name, mask) for mask in masks], prefer=_mask_for(layer, masks))

    def _draw_mask(self, layer: Any) -> None:
        """Make a labels layer on the stack's grid to paint in."""
        from napari.layers import Labels

        image = LayerInSpace.of(layer)
        empty = np.zeros(image.data.shape, np.uint8)
        made = Labels(empty, name=f"{image.name} mask", opacity=0.4, **place_of(image.affine))
        self._viewer.add_layer(made)
        row = self.form.rows[layer]
        row.mask.choose(made)
        self._viewer.layers.selection.active = made
        made.mode = "paint"
        self._update()

    def _update(self) -> None:
        ticked = [layer for layer, row in self.form.rows.items() if row.ticked]
        self.form.reference.offer((layer.name, layer) for layer in ticked)
        try:
            chosen = self.chosen()
            self.form.summary.setText(_describe(chosen))
        except EXPLAINED as error:
            self.form.summary.setText(message_of(error) if self.form.rows else "")
        self.form.show_warning(self._warning())
        self.changed.emit()

    def _warning(self) -> str:
        guessed = [str(layer.name) for layer in self.layers if layer in self._guessed]
        if not guessed:
            return ""
        return (
            f"The thickness of {', '.join(guessed)} is not known; the distance between slices is shown. Enter what the "
            "protocol states: with gaps or overlap it is another."
        )


def _is_candidate(layer: Any) -> bool:
    from napari.layers import Image

    is_ours = OURS in layer.metadata or hasattr(layer.data, "reconstruction")
    return isinstance(layer, Image) and layer.ndim == 3 and not layer.rgb and not is_ours


def _mask_for(layer: Any, masks: Sequence[Any]) -> Any | None:
    """Return the mask that is on the layer's grid, if there is one; of several the one that has its name."""
    image = LayerInSpace.of(layer)
    fitting = []
    for mask in masks:
        try:
            if LayerInSpace.of(mask).same_grid(image):
                fitting.append(mask)
        except EXPLAINED:
            continue
    named = [mask for mask in fitting if str(layer.name) in str(mask.name)]
    return next(iter(named or fitting), None)


def _describe(chosen: Sequence[ChosenStack]) -> str:
    n_slices, n = sum(stack.n_slices for stack in chosen), len(chosen)
    finest = min(stack.pixel_mm for stack in chosen)
    return f"{n} stack{'s' * (n > 1)} with {n_slices} slices; pixels of {finest:.3g} mm at the finest."
