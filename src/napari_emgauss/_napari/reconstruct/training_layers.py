"""What a training shows in the viewer: a preview where one looks, and the whole stack as an isotropic layer."""

from __future__ import annotations

import weakref
from typing import Any

from napari_emgauss._napari.reconstruct.draft_previews import DraftPreviews
from napari_emgauss._napari.reconstruct.preview import PreviewLayer
from napari_emgauss._napari.reconstruct.stack.trained import StackRun
from napari_emgauss._napari.reconstruct.view import ReconstructView
from napari_emgauss._napari.training.progress import is_of
from napari_emgauss._napari.viewer.isotropic import add_isotropic
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels
from napari_emgauss._napari.viewer.virtual import redraw_volumes
from napari_emgauss.training import Preview


class TrainingLayers:
    """The layers of the present training, from its first draft to its model.

    ::

        open ──▶ improve (draft and isotropic layer come, then get better) ──▶ close(model)  they are the model's now
                                                                          └──▶ close()       they are taken away

    Parameters
    ----------
    view
        The form, which says what the preview shows.
    viewer
        The viewer itself, not a proxy.
    models
        Those of the viewer.
    """

    def __init__(self, view: ReconstructView, viewer: Any, models: OpenModels) -> None:
        self._panel, self._viewer, self._models = view.panel, viewer, models
        self._drafts = DraftPreviews(view, self.show)
        self._run: StackRun | None = None
        self._opens_draft = True
        self._preview: PreviewLayer | None = None
        self._draft: OpenModel | None = None
        self._layer: weakref.ref[Any] | None = None

    def open(self, run: StackRun, *, opens_draft: bool) -> None:
        """Begin with a training; a model that is gone on from is open itself, and its draft is then not opened."""
        self._run, self._opens_draft = run, opens_draft
        self._preview = PreviewLayer(self._viewer, run.stack)

    def show(self, preview: Preview) -> None:
        """Show it if it is of the depth in view; the preview may have been drawn before the viewer moved on."""
        if self._preview is None or self._run is None:
            return
        wanted = self._run.session.control.preview_at
        if wanted is None or is_of(preview, wanted[0]):
            self._panel.show_on_screen(preview.label if self._preview.show(preview) else "")

    def improve(self) -> None:
        """Open the draft, or have it drawn anew where it is shown."""
        run = self._run
        if run is None or run.session.draft is None:
            return
        draft, stack = run.session.draft, run.stack
        if self._draft is not None:
            redraw_volumes(self._viewer, draft, draft)
            self._models.improved.emit(self._draft)
        elif self._opens_draft:
            name = f"{stack.layer.name} · draft"
            self._draft = OpenModel(name, draft, stack.placement, stack.volume, weakref.ref(stack.layer))
            self._models.add(self._draft)
            self._add_layer(self._draft)
        self.draw_draft()

    def draw_draft(self) -> None:
        """Draw the draft at the depth in view."""
        if self._run is not None and self._run.session.draft is not None and self._preview is not None:
            wanted = self._run.session.control.preview_at
            self._drafts.draw(self._run.session.draft, wanted[0] if wanted else 0.5)

    def close(self, model: OpenModel | None = None) -> None:
        """Take the preview away, and have ``model`` take the place of the draft, if there is one."""
        draft, self._draft = self._draft, None
        layer = None if self._layer is None else self._layer()
        self._run = self._layer = None
        self.remove_preview()
        if model is not None and draft is not None:
            self._models.replace(draft, model)
            redraw_volumes(self._viewer, draft.reconstruction, model.reconstruction)
        elif model is not None:
            self._models.add(model)
        elif draft is not None:
            self._models.remove(draft)
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def remove_preview(self) -> None:
        """Show no more previews of this training."""
        self._drafts.forget()
        if self._preview is not None:
            self._preview.remove()
        self._preview = None

    def _add_layer(self, draft: OpenModel) -> None:
        """Add the isotropic layer, which stays when the training ends, below the preview."""
        selected = set(self._viewer.layers.selection)
        layer = add_isotropic(self._viewer, draft, draft.source_layer)
        self._viewer.layers.selection = selected
        self._layer = weakref.ref(layer)
