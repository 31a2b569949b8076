"""What is done of a job, as an isotropic layer that gets better while blocks come."""

from __future__ import annotations

import weakref
from collections.abc import Collection
from typing import Any

from napari_emgauss._napari.viewer.isotropic import add_isotropic, stack_layer_of
from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels
from napari_emgauss._napari.viewer.regions import section_in_view
from napari_emgauss._napari.viewer.virtual import redraw_volumes
from napari_emgauss.methods.emgauss import Draft, Reconstruction


class DraftLayer:
    """A job's draft among the open models, and its layer.

    ::

        open ──▶ trained (again and again) ──▶ finish(model)  draft and layer are the model's now
                                          └──▶ close()        they are taken away

    Parameters
    ----------
    viewer
        The viewer itself, not a proxy.
    models
        Those of the viewer.
    """

    def __init__(self, viewer: Any, models: OpenModels) -> None:
        self._viewer, self._models = viewer, models
        self._model: OpenModel | None = None
        self._layer: weakref.ref[Any] | None = None
        self._trained: set[int] = set()

    @property
    def draft(self) -> Draft | None:
        """The draft, if one is open."""
        reconstruction = None if self._model is None else self._model.reconstruction
        return reconstruction if isinstance(reconstruction, Draft) else None

    @property
    def layer(self) -> Any | None:
        """The isotropic layer, None before it comes and once it was deleted."""
        layer = None if self._layer is None else self._layer()
        return layer if layer is not None and layer in self._viewer.layers else None

    def open(self, name: str, draft: Draft, trained: Collection[int]) -> LayerPlacement:
        """Show a draft, of which so many blocks are drawn already, on its stack's layer; return its place."""
        self.close()
        source = stack_layer_of(self._viewer, draft)
        placement = LayerPlacement() if source is None else LayerPlacement.of(source)
        made = OpenModel(
            f"{name} · draft", draft, placement, draft.volume, None if source is None else weakref.ref(source)
        )
        self._model, self._trained = self._models.add(made), set(trained)
        selected = set(self._viewer.layers.selection)
        self._layer = weakref.ref(add_isotropic(self._viewer, made, source))
        if selected:
            self._viewer.layers.selection = selected
        return placement

    def train(self, done: Collection[int]) -> None:
        """Have blocks that were trained since then drawn by their Gaussians."""
        draft, new = self.draft, sorted(set(done) - self._trained)
        if draft is None or self._model is None or not new:
            return
        self._trained.update(new)
        draft.trained(*new)
        redraw_volumes(self._viewer, draft, draft)
        self._models.improved.emit(self._model)

    def finish(self, name: str, reconstruction: Reconstruction) -> None:
        """Have the model take the draft's place."""
        before, self._model = self._model, None
        model = OpenModel(name, reconstruction)
        if before is None:
            source = stack_layer_of(self._viewer, reconstruction)
            if source is not None:
                model.placement, model.source = LayerPlacement.of(source), weakref.ref(source)
            self._models.add(model)
            self._layer = weakref.ref(add_isotropic(self._viewer, model, source))
            return
        model.placement, model.source, model.stack = before.placement, before.source, before.stack
        self._models.replace(before, model)
        redraw_volumes(self._viewer, before.reconstruction, reconstruction)

    def label(self) -> str:
        """Return in words what the layer shows; '' where it shows nothing of a draft."""
        draft, layer, model = self.draft, self.layer, self._model
        if draft is None or layer is None or model is None or not layer.visible or self._viewer.dims.ndim < 3:
            return ""
        z = layer.data.section_near(section_in_view(self._viewer, draft, model.placement.nm_per_unit))
        return draft.label(z, rough=layer.data.is_rough)

    def close(self) -> None:
        """Take a draft and its layer away; a model stays."""
        model, self._model = self._model, None
        layer, self._layer = self.layer, None
        if model is None:
            return
        self._models.remove(model)
        if layer is not None:
            self._viewer.layers.remove(layer)
