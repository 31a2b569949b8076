"""The one layer that Explore z draws into, and the viewer's view of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_emgauss._napari.explore.scrub import Drawing, Scrubber, Visible
from napari_emgauss._napari.viewer.layers import camera_of
from napari_emgauss._napari.viewer.models import OpenModel
from napari_emgauss._napari.viewer.regions import on_canvas, section_in_view, world_nm
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

    at_first: Mapping[str, Any] = {"name": NAME, "metadata": {"napari-emgauss": {"drawn": "section"}}}
    """Layer attributes that are set once, and then the user's."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.layer: Any | None = None
        self._drawing: Drawing | None = None
        self._model: OpenModel | None = None
        self._placed_z = 0.0

    def _looks(self, model: OpenModel, image: FloatArray) -> dict[str, Any]:
        """Layer attributes that are set for every model anew."""
        return _looks_like_stack(self._viewer, model, image)

    def forget(self) -> None:
        """The layer was deleted."""
        self.layer = self._drawing = self._model = None

    def shows(self, model: OpenModel, drawing: Drawing) -> bool:
        """Whether this is what the layer shows now."""
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
        """Put the layer where ``drawing`` belongs; whether it was elsewhere, and thus drawn again."""
        assert self.layer is not None
        attributes, moved = drawing.attributes(model), False
        for name in ("scale", "translate"):
            if not np.array_equal(getattr(self.layer, name), attributes[name]):
                setattr(self.layer, name, attributes[name])
                moved = True
        self._placed_z = drawing.z
        return moved


def _looks_like_stack(viewer: Any, model: OpenModel, image: FloatArray) -> dict[str, Any]:
    """Contrast and colours: those of the stack, or of a layer of the same model, or the picture's own range."""
    twin = model.source_layer
    if twin is None:
        candidates = (layer for layer in viewer.layers if type(layer).__name__ == "Image")
        twin = next((c for c in candidates if getattr(c.data, "reconstruction", None) is model.reconstruction), None)
    if twin is not None:
        return {name: getattr(twin, name) for name in ("contrast_limits", "colormap", "gamma")}
    low, high = float(image.min()), float(image.max())
    return {"contrast_limits": (low, high if high > low else low + 1)}


class Stage:
    """The viewer's axes and camera in the coordinates of a model."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer

    @property
    def camera(self) -> Any:
        """The viewer's camera."""
        return camera_of(self._viewer)

    @property
    def shows_sections(self) -> bool:
        """Whether the canvas shows xy planes, with z on the slider."""
        dims = self._viewer.dims
        if len(self._viewer.layers) == 0:
            return bool(dims.ndisplay == 2)
        return dims.ndim >= 3 and dims.ndisplay == 2 and set(dims.displayed) == {dims.ndim - 2, dims.ndim - 1}

    def z(self, model: OpenModel) -> float:
        """Section coordinate of napari's slider."""
        if self._viewer.dims.ndim < 3:
            return 0.0
        return section_in_view(self._viewer, model.reconstruction, model.placement.nm_per_unit)

    def go_to(self, model: OpenModel, z: float) -> bool:
        """Move napari's slider, which shows its nearest step but slices at this depth; whether it was elsewhere."""
        dims, rec = self._viewer.dims, model.reconstruction
        depth_nm = rec.origin_nm[0] + z * rec.voxel_size_nm[0]
        if dims.ndim < 3:
            return False
        before = dims.point
        dims.set_point(dims.ndim - 3, depth_nm / world_nm(self._viewer, model.placement.nm_per_unit)[0])
        return bool(dims.point != before)

    def visible(self, scrub: Scrubber) -> Visible | None:
        """What of a section is on the canvas."""
        rec = scrub.model.reconstruction
        if len(self._viewer.layers) == 0:
            return Visible((0, rec.shape[1], 0, rec.shape[2]), 1.0)
        middle, size = on_canvas(self._viewer)
        nm = world_nm(self._viewer, scrub.model.placement.nm_per_unit)[1:]
        pairs = list(zip(nm, rec.origin_nm[1:], rec.voxel_size_nm[1:], strict=True))
        centre = [(c * f - o) / v for c, (f, o, v) in zip(middle, pairs, strict=True)]
        extent = [length * f / v for length, (f, _, v) in zip(size, pairs, strict=True)]
        density = max(self.camera.zoom * v / f for f, _, v in pairs)
        return scrub.visible((centre[0], centre[1]), (extent[0], extent[1]), density)
