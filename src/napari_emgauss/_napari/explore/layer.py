"""The layer that Explore z draws into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_emgauss._napari.explore.scrub import Drawing
from napari_emgauss._napari.viewer.models import OpenModel
from napari_emgauss._types import FloatArray

NAME = "Explore z"
NEAR = 0.4
"""Sections: napari shows the layer's one plane within half a section of its depth."""


class SectionLayer:
    """A 3D image layer of one plane, made when first needed and then reused.

    Parameters
    ----------
    viewer
        The viewer itself, not a proxy.
    """

    at_first: Mapping[str, Any] = {"metadata": {"napari-emgauss": {"drawn": "section"}}}
    """Layer attributes that are set once, and then the user's."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.layer: Any | None = None
        self._drawing: Drawing | None = None
        self._model: OpenModel | None = None
        self._placed_z = 0.0

    def _looks(self, model: OpenModel, image: FloatArray) -> dict[str, Any]:
        """Return layer attributes that are set for every model anew."""
        return {"name": model.layer_name(NAME), **_looks_like_stack(self._viewer, model, image)}

    def forget(self) -> None:
        """Let go of the layer, which was deleted."""
        self.layer = self._drawing = self._model = None

    def shows(self, model: OpenModel, drawing: Drawing) -> bool:
        """Tell whether this is what the layer shows now."""
        return self.layer is not None and model is self._model and drawing == self._drawing

    def move(self, model: OpenModel, z: float, *, exactly: bool) -> None:
        """Put the present picture at the depth of ``z``, so that it stays on the canvas until the next is ready.

        Moving the layer costs as much as drawing a section. Unless it must be exact, it is left where it is while
        napari's slider still cuts it.
        """
        if self.layer is None or self._drawing is None or model is not self._model:
            return
        if exactly or abs(z - self._placed_z) > NEAR:
            self._place(self._drawing.at(z), model)

    def show(self, model: OpenModel, drawing: Drawing, image: FloatArray) -> bool:
        """Take a picture; selection, camera and contrast stay as they are.

        Returns
        -------
        Whether the canvas shows it already; if not, it does after the next slicing or `refresh`.
        """
        if self.layer is None:
            self._create(model, drawing, image)
            self._model, self._drawing, self._placed_z = model, drawing, drawing.z
            return True
        if model is not self._model:
            self.layer.units = drawing.attributes(model)["units"]
            for name, value in self._looks(model, image).items():
                setattr(self.layer, name, value)
        same_shape = self.layer.data.shape[1:] == image.shape
        if same_shape:
            self.layer.data[0] = image
        else:
            self.layer.data = image[None]
        before, self._drawing = self._drawing, drawing
        stays = model is self._model and before is not None and before.at(drawing.z) == drawing
        self._model = model
        if stays and drawing.moving and abs(drawing.z - self._placed_z) <= NEAR:
            return not same_shape
        return self._place(drawing, model) or not same_shape

    def refresh(self) -> None:
        """Show the picture that was taken."""
        if self.layer is not None:
            self.layer.refresh(extent=False)

    def _create(self, model: OpenModel, drawing: Drawing, image: FloatArray) -> None:
        selected, active = set(self._viewer.layers.selection), self._viewer.layers.selection.active
        looks = {**self.at_first, **self._looks(model, image)}
        self.layer = self._viewer.add_image(image[None], **drawing.attributes(model), **looks)
        if selected:
            self._viewer.layers.selection = selected
            self._viewer.layers.selection.active = active

    def _place(self, drawing: Drawing, model: OpenModel) -> bool:
        """Put the layer where ``drawing`` belongs; tell whether it was elsewhere, and thus drawn again."""
        assert self.layer is not None
        attributes, moved = drawing.attributes(model), False
        for name in ("scale", "translate"):
            if not np.array_equal(getattr(self.layer, name), attributes[name]):
                setattr(self.layer, name, attributes[name])
                moved = True
        self._placed_z = drawing.z
        return moved


def _looks_like_stack(viewer: Any, model: OpenModel, image: FloatArray) -> dict[str, Any]:
    """Return contrast and colours of the stack, of a layer of the same model, or the picture's own range."""
    twin = model.source_layer
    if twin is None:
        candidates = (layer for layer in viewer.layers if type(layer).__name__ == "Image")
        twin = next((c for c in candidates if getattr(c.data, "reconstruction", None) is model.reconstruction), None)
    if twin is not None:
        return {name: getattr(twin, name) for name in ("contrast_limits", "colormap", "gamma")}
    low, high = float(image.min()), float(image.max())
    return {"contrast_limits": (low, high if high > low else low + 1)}
