"""The error to expect, laid over the section that Explore z shows."""

from __future__ import annotations

from typing import Any

from napari_emgauss._napari.models import OpenModel
from napari_emgauss._napari.scrub import Drawing

NAME = "Uncertainty"
ZOOM = 0.25
"""The map is smooth: at this resolution it takes no time to draw."""
TIP = "Lay the absolute error to expect over the section: bright where it is not to be trusted."
NONE = (
    "This model has no map of its uncertainty: it is made at the end of a whole training, with at least three sections."
)


class UncertaintyLayer:
    """A layer over the drawn section, while it is wanted.

    Parameters
    ----------
    viewer
        The viewer itself, not a proxy.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.layer: Any | None = None

    def show(self, model: OpenModel, z: float) -> None:
        """Draw it at ``z``; selection and camera stay as they are."""
        rec = model.reconstruction
        drawing = Drawing(z, (0, rec.shape[1], 0, rec.shape[2]), ZOOM)
        image, place = rec.uncertainty(z, zoom=ZOOM)[None], drawing.attributes(model)
        if self.layer is None:
            # The scale is that of the middle of a gap, so that observed sections look as certain as they are.
            highest = float(rec.uncertainty(0.5, zoom=ZOOM).max())
            selected, active = set(self._viewer.layers.selection), self._viewer.layers.selection.active
            self.layer = self._viewer.add_image(
                image,
                name=NAME,
                colormap="inferno",
                blending="additive",
                opacity=0.6,
                interpolation2d="linear",
                contrast_limits=(0, 1.5 * highest or 1),
                **place,
            )
            if selected:
                self._viewer.layers.selection = selected
                self._viewer.layers.selection.active = active
            return
        self.layer.data = image
        for name in ("units", "scale", "translate"):
            setattr(self.layer, name, place[name])

    def hide(self) -> None:
        """Take it away."""
        layer, self.layer = self.layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def forget(self) -> None:
        """The layer was deleted."""
        self.layer = None
