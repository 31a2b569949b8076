"""The reconstructions that are open in a viewer, shared by its widgets."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss._napari.viewer.removal import RemovalGuard
from napari_emgauss.methods.emgauss import Draft, Reconstruction
from napari_emgauss.volume import Volume

NO_MODEL = "No model yet: train one in 'Reconstruct' or open a .emgauss file."
"""What widgets say where there is none."""


@dataclass(eq=False)
class OpenModel:
    """A reconstruction with its place in the viewer.

    Attributes
    ----------
    name
        Shown in lists; unique in its viewer.
    reconstruction
        The trained model.
    placement
        How nanometres become world coordinates: as in the stack's layer.
    stack
        The observed sections, if they are at hand: needed to compare and to go on training.
    source
        The stack's layer while it exists.
    path
        Its file, once it has one.
    successor
        What took its place.
    """

    name: str
    reconstruction: Reconstruction | Draft
    placement: LayerPlacement = field(default_factory=LayerPlacement)
    stack: Volume | None = None
    source: weakref.ref[Any] | None = None
    path: Path | None = None
    successor: OpenModel | None = None

    def layer_name(self, what: str) -> str:
        """Return the name of a layer that shows ``what`` of it: 'stack · isotropic'."""
        return f"{self.name.split(' · ')[0]} · {what}"

    @property
    def is_draft(self) -> bool:
        """Whether it is a stack in training: it can be drawn, but not saved, scored or trained further."""
        return isinstance(self.reconstruction, Draft)

    @property
    def trained(self) -> Reconstruction:
        """The reconstruction of what is no draft."""
        assert isinstance(self.reconstruction, Reconstruction), "widgets that need a model list no drafts"
        return self.reconstruction

    @property
    def has_sections(self) -> bool:
        """Whether it is of a stack of sections, which can be drawn at any z and scored where some are held out."""
        return hasattr(self.reconstruction, "observed")

    @property
    def source_layer(self) -> Any | None:
        """The stack's layer, or None once it is gone."""
        return None if self.source is None else self.source()


class OpenModels:
    """Models open in one viewer, oldest first; widgets connect to its signals (emitted in the GUI thread)."""

    added = Signal(OpenModel)
    removed = Signal(OpenModel)
    renamed = Signal(OpenModel)
    improved = Signal(OpenModel)
    """A draft is drawn better now."""
    asked_for = Signal(OpenModel)
    """Every widget that shows a model is to show this one."""

    def __init__(self) -> None:
        self._models: list[OpenModel] = []
        self.guard: RemovalGuard | None = None
        """Lives as long as the viewer."""

    def __iter__(self) -> Iterator[OpenModel]:
        return iter(list(self._models))

    def __len__(self) -> int:
        return len(self._models)

    def add(self, model: OpenModel) -> OpenModel:
        """Add ``model``; a name that is taken gets a number."""
        model.name = self._free(model.name)
        self._models.append(model)
        self.added.emit(model)
        return model

    def rename(self, model: OpenModel, name: str) -> None:
        """Give ``model`` a name; one that is taken gets a number."""
        if name != model.name:
            model.name = self._free(name)
            self.renamed.emit(model)

    def _free(self, name: str) -> str:
        taken, free, n = {model.name for model in self._models}, name, 2
        while free in taken:
            free, n = f"{name} [{n}]", n + 1
        return free

    @property
    def newest(self) -> OpenModel | None:
        """The model that was opened last."""
        return self._models[-1] if self._models else None

    def remove(self, model: OpenModel) -> None:
        """Close ``model``; nothing happens if it is not open."""
        if model in self._models:
            self._models.remove(model)
            self.removed.emit(model)

    def replace(self, draft: OpenModel, model: OpenModel) -> None:
        """Open ``model`` in the place of ``draft``: what had chosen the one goes over to the other."""
        draft.successor = self.add(model)
        self.remove(draft)

    def of(self, reconstruction: Reconstruction) -> OpenModel | None:
        """Return the open model with this reconstruction, None if there is none."""
        return next((m for m in self._models if m.reconstruction is reconstruction), None)

    def adopt(self, layer: Any) -> OpenModel | None:
        """Open the model that ``layer`` draws its planes from (a model file was opened), unless it is open already."""
        reconstruction = getattr(getattr(layer, "data", None), "reconstruction", None)
        if not isinstance(reconstruction, Reconstruction):
            return None
        return self.of(reconstruction) or self.add(OpenModel(layer.name, reconstruction, LayerPlacement.of(layer)))


_OPEN: weakref.WeakKeyDictionary[Any, OpenModels] = weakref.WeakKeyDictionary()


def open_models(viewer: Any) -> OpenModels:
    """Return the models open in ``viewer``: those trained there and those whose files were opened as layers.

    Parameters
    ----------
    viewer
        napari viewer, or the proxy that plugins get.
    """
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _OPEN:
        models = OpenModels()
        _OPEN[viewer] = models
        for layer in viewer.layers:
            models.adopt(layer)
        viewer.layers.events.inserted.connect(lambda event: models.adopt(event.value))
        models.guard = RemovalGuard(viewer)
    return _OPEN[viewer]
