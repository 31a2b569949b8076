"""What a training shows in the viewer: the whole stack as an isotropic layer, which gets better."""

from __future__ import annotations

import weakref
from typing import Any

from napari_emgauss._napari.reconstruct.stack.trained import StackRun
from napari_emgauss._napari.reconstruct.view import ReconstructView
from napari_emgauss._napari.training.progress import is_of, origin_of
from napari_emgauss._napari.viewer.isotropic import add_isotropic
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels
from napari_emgauss._napari.viewer.regions import section_in_view, world_nm
from napari_emgauss._napari.viewer.virtual import redraw_volumes
from napari_emgauss.training import Preview

ON_A_SECTION = 0.05
"""Sections."""


class TrainingLayers:
    """The isotropic layer of the present training, from its first draft to its model.

    ::

        open ──▶ improve (draft and layer come, then get better) ──▶ close(model)  they are the model's now
                                                                └──▶ close()       they are taken away

    Parameters
    ----------
    view
        The form, which says what the layer shows.
    viewer
        The viewer itself, not a proxy.
    models
        Those of the viewer.
    """

    def __init__(self, view: ReconstructView, viewer: Any, models: OpenModels) -> None:
        self._panel, self._viewer, self._models = view.panel, viewer, models
        self._run: StackRun | None = None
        self._opens_draft = True
        self._draft: OpenModel | None = None
        self._layer: weakref.ref[Any] | None = None
        self._put: Preview | None = None

    @property
    def layer(self) -> Any | None:
        """The isotropic layer, None before it comes and once it was deleted."""
        layer = None if self._layer is None else self._layer()
        return layer if layer is not None and layer in self._viewer.layers else None

    def open(self, run: StackRun, *, opens_draft: bool) -> None:
        """Begin with a training; a model that is gone on from is open itself, and its draft is then not opened."""
        self._run, self._opens_draft = run, opens_draft

    def show(self, preview: Preview) -> None:
        """Show what is being learned where one looks; the preview may have been drawn before the viewer moved on."""
        layer, wanted = self.layer, None if self._run is None else self._run.session.control.preview_at
        if layer is None or wanted is None or not is_of(preview, wanted[0]):
            return
        z, y, x = origin_of(preview)
        if layer.data.put(z, preview.image, (round(y), round(x))):
            self._put = preview
        self.tell()

    def improve(self) -> None:
        """Open the draft, or have it drawn anew."""
        run = self._run
        if run is None or run.session.draft is None:
            return
        draft, stack = run.session.draft, run.stack
        self._put = None
        if self._draft is not None:
            redraw_volumes(self._viewer, draft, draft)
            self._models.improved.emit(self._draft)
        else:
            name = f"{stack.name} · draft"
            self._draft = OpenModel(name, draft, stack.placement, stack.volume, weakref.ref(stack.layer))
            if self._opens_draft:
                self._models.add(self._draft)
            self._add_layer(self._draft)
        self.tell()

    def look_at(self, z: float) -> float:
        """Return the section coordinate of the plane that shows ``z``."""
        layer = self.layer
        return z if layer is None else float(layer.data.section_near(z))

    def tell(self, _event: Any = None) -> None:
        """Say what the canvas shows of the training."""
        layer, run = self.layer, self._run
        draft, wanted = (None, None) if run is None else (run.session.draft, run.session.control.preview_at)
        label = ""
        if draft is not None and wanted is not None and layer is not None and layer.visible:
            if self._put is not None and is_of(self._put, wanted[0]):
                label = self._put.label
            else:
                label = draft.label(wanted[0], rough=layer.data.is_rough)
        self._panel.show_on_screen(label)

    def close(self, model: OpenModel | None = None) -> None:
        """Have ``model`` take the place of the draft, or take that away."""
        draft, self._draft = self._draft, None
        layer, self._run, self._layer, self._put = self.layer, None, None, None
        if layer is not None:
            layer.events.set_data.disconnect(self.tell)
        if draft is not None and model is not None:  # before others hear of the model, and would add a layer for it
            redraw_volumes(self._viewer, draft.reconstruction, model.reconstruction)
        if draft is not None and draft in self._models:
            self._models.remove(draft) if model is None else self._models.replace(draft, model)
        elif model is not None:
            self._models.add(model)
        if layer is not None and (draft is None or model is None):
            self._viewer.layers.remove(layer)

    def _add_layer(self, draft: OpenModel) -> None:
        """Add the isotropic layer, and look between two sections: on one of them there is nothing new to see."""
        selected = set(self._viewer.layers.selection)
        layer = add_isotropic(self._viewer, draft, draft.source_layer)
        self._viewer.layers.selection = selected
        self._layer = weakref.ref(layer)
        layer.events.set_data.connect(self.tell)  # it was drawn
        dims, rec, nm = self._viewer.dims, draft.reconstruction, draft.placement.nm_per_unit
        axis = dims.ndim - 3
        z, last = section_in_view(self._viewer, rec, nm), rec.shape[0] - 1
        if axis in dims.displayed or abs(z - round(z)) > ON_A_SECTION or not 0 <= z <= last:
            return
        z = layer.data.section_near(round(z) + (0.5 if z < last - 0.5 else -0.5))
        dims.set_point(axis, (rec.origin_nm[0] + z * rec.voxel_size_nm[0]) / world_nm(self._viewer, nm)[0])
