"""The stack that is chosen, between its form and the viewer."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.elements import timer
from napari_emgauss._napari.controls.notify import message_of
from napari_emgauss._napari.controls.remembered import user_settings
from napari_emgauss._napari.reconstruct.stack.form import StackForm
from napari_emgauss._napari.reconstruct.stack.indices import parse_sections, spread
from napari_emgauss._napari.reconstruct.stack.known_sizes import KnownSizes
from napari_emgauss._napari.reconstruct.stack.plausibility import doubt
from napari_emgauss._napari.viewer.layers import LayerPlacement, check_is_stack, stack_of
from napari_emgauss._napari.viewer.part_watch import PartWatch
from napari_emgauss._napari.viewer.regions import IN_VIEW, RECTANGLE, WHOLE, chosen_region
from napari_emgauss._napari.viewer.removal import is_ours
from napari_emgauss._napari.viewer.rescaling import give_voxel_size
from napari_emgauss._types import Region, Triple
from napari_emgauss.errors import ConfigError, VolumeError, VoxelSizeError
from napari_emgauss.volume import Volume

SETTLED_MS = 200
"""Rest after the view or a drawing changed before the part is looked at again."""
ASK_VOXEL_SIZE = "Enter the voxel size: the distance between sections (z) and between pixels (y, x)."


class StackChoice(QObject):
    """Stack to train on; ``changed`` tells that `volume`, or the sections held or left out, may differ.

    Parameters
    ----------
    form
        Where it is entered.
    viewer
        The viewer itself, not a proxy.
    """

    changed = Signal()

    def __init__(self, form: StackForm, viewer: Any) -> None:
        super().__init__(form)
        self.form = form
        self._viewer = viewer
        self._connections = Connections(form)
        self._sizes = KnownSizes(form, user_settings)
        self._followed: list[Any] = []
        form.layers.changed.connect(self._take_layer)
        form.edited.connect(self._update)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            self._connections.connect(event, self._list_layers)
        self._settle = timer(self, SETTLED_MS, self._update, once=True)
        PartWatch(
            self._connections,
            viewer,
            view_moved=lambda: self._part_changed(IN_VIEW),
            shapes_changed=lambda: self._part_changed(RECTANGLE),
        )
        self._list_layers()
        self._take_layer()

    @property
    def layer(self) -> Any | None:
        """The chosen layer, if there is one."""
        return self.form.layers.item

    @property
    def voxel_size_nm(self) -> Triple:
        """Voxel size as entered.

        Raises
        ------
        VoxelSizeError
            Something is missing.
        """
        z, y, x = (box.value() for box in self.form.voxel)
        if not (z and y and x):
            raise VoxelSizeError(ASK_VOXEL_SIZE)
        return z, y, x

    @property
    def leave_out(self) -> tuple[int, ...]:
        """Sections to ignore."""
        return parse_sections(self.form.leave_out_edit.text())

    @property
    def hold_out(self) -> tuple[int, ...]:
        """Sections to keep from the training."""
        every = self.form.hold_out_choice.item
        return () if self.layer is None else spread(_shape(self.layer)[0], every, left_out=self.leave_out)

    def volume(self) -> Volume:
        """Return the stack as chosen, read on demand.

        Raises
        ------
        VolumeError
            No layer, or one that cannot be used; the message says why.
        """
        if self.layer is None:
            raise VolumeError("open a stack first: drop a file on the viewer, or File › Open Sample › EMGauss.")
        check_is_stack(self.layer)  # before anything is asked about it
        if question := doubt(self.voxel_size_nm):
            raise VoxelSizeError(question)
        return stack_of(self.layer, voxel_size_nm=self.voxel_size_nm, region=self.region())

    def region(self) -> Region | None:
        """Return the pixels (y0, y1, x0, x1) to train on, None for all.

        Raises
        ------
        VolumeError
            There is no rectangle, or it misses the stack.
        """
        part = self.form.part.item
        if part == WHOLE or self.layer is None:
            return None
        whole = stack_of(self.layer, voxel_size_nm=self.voxel_size_nm)
        z, y, x = (v / float(s) for v, s in zip(self.voxel_size_nm, self.layer.scale, strict=True))
        return chosen_region(part, self._viewer, whole, (z, y, x))

    def layer_of(self, shape: tuple[int, int, int]) -> Any | None:
        """Return the chosen layer if it has this shape, else another stack that has; None if there is none."""
        candidates = [self.layer, *self.form.layers.items]
        return next((layer for layer in candidates if layer is not None and _shape(layer) == shape), None)

    def take(self, layer: Any, voxel_size_nm: Triple) -> None:
        """Choose a layer and give it a voxel size."""
        self.form.layers.choose(layer)
        self.form.show_voxel_size(voxel_size_nm)
        self.apply_voxel_size()

    def apply_voxel_size(self) -> None:
        """Give the layer, and those on its grid, the voxel size that was entered, so that results overlay them."""
        layer, size_nm = self.layer, self.voxel_size_nm
        if layer is None or np.allclose(_voxel_size_of(layer) or (0, 0, 0), size_nm, rtol=1e-6):
            return
        give_voxel_size(self._viewer, layer, size_nm)
        self._sizes.remember(layer, size_nm)

    def _list_layers(self, _event: Any = None) -> None:
        """Follow layers as they come, go and are renamed."""
        layers = [layer for layer in self._viewer.layers if _is_candidate(layer)]
        for layer in layers:
            if not any(known is layer for known in self._followed):
                self._connections.connect(layer.events.name, self._list_layers)
                for changing in (layer.events.scale, layer.events.units):
                    self._connections.connect(changing, self._layer_changed)
        self._followed = layers
        self.form.layers.offer((layer.name, layer) for layer in layers)

    def _layer_changed(self, event: Any) -> None:
        if event.source is self.layer:
            self._take_layer()

    def _part_changed(self, part: str) -> None:
        if self.form.part.item == part:
            self._settle.start()

    def _take_layer(self) -> None:
        layer = self.layer
        stated = None if layer is None else _voxel_size_of(layer)
        self.form.show_voxel_size(stated)
        if layer is not None and stated is None and layer.ndim == 3:
            self._sizes.look_up(layer, lambda size: self._offer_size(layer, size))
        self._update()

    def _offer_size(self, layer: Any, voxel_size_nm: Triple) -> None:
        """Fill in what the layer's file says, unless something was typed meanwhile."""
        if layer is self.layer and not any(box.value() for box in self.form.voxel):
            self.form.show_voxel_size(voxel_size_nm)
            self._update()

    def _update(self) -> None:
        try:
            self.form.show_summary(self.volume().describe(), is_problem=False)
        except (VolumeError, ConfigError) as error:
            self.form.show_summary(message_of(error), is_problem=True)
        self.changed.emit()


def _is_candidate(layer: Any) -> bool:
    from napari.layers import Image

    return isinstance(layer, Image) and not is_ours(layer)


def _shape(layer: Any) -> tuple[int, ...]:
    return tuple((layer.data[0] if layer.multiscale else layer.data).shape)


def _voxel_size_of(layer: Any) -> Triple | None:
    """Return the voxel size in nm that the layer states, None where it is in pixels or no stack."""
    if layer.ndim != 3:
        return None
    try:
        nm = LayerPlacement.of(layer).nm_per_unit
    except VoxelSizeError:
        return None
    z, y, x = (abs(float(s)) * f for s, f in zip(layer.scale, nm, strict=True))
    return z, y, x
