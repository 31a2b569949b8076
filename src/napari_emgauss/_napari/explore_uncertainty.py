"""The error to expect, laid over the section that Explore z shows."""

from __future__ import annotations

from typing import Any

from napari_emgauss._napari.explore_layer import SectionLayer
from napari_emgauss._napari.models import OpenModel
from napari_emgauss._napari.scrub import Drawing
from napari_emgauss._types import FloatArray
from napari_emgauss.methods.emgauss import Reconstruction

SCALE_ZOOM = 0.125
"""The map is smooth: its mean is the same at this resolution."""
TIP = "Overlay the absolute error to expect of every pixel, in the stack's intensities."
NONE = (
    "This model has no map of its uncertainty: it is made at the end of a whole training, with at least three sections."
)


class UncertaintyLayer(SectionLayer):
    """A layer exactly over the drawn section, while it is wanted."""

    at_first = {"colormap": "inferno", "blending": "additive", "opacity": 0.6}  # noqa: RUF012 - never changed

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self._highest = 1.0

    def take(self, model: OpenModel, drawing: Drawing, image: FloatArray, *, mean: float) -> bool:
        """As `show`, given the model's mean error."""
        self._highest = 2 * mean or 1.0
        return self.show(model, drawing, image)

    def move(self, model: OpenModel, z: float, *, exactly: bool) -> None:
        """Put the map of this very depth there exactly; that of another depth would mislead."""
        if exactly and self._drawing is not None and self._drawing.z == z:
            super().move(model, z, exactly=True)

    def lift(self) -> None:
        """Put it on top of a section layer that was made later."""
        if self.layer is not None:
            layers = self._viewer.layers
            layers.move(layers.index(self.layer), len(layers))

    def hide(self) -> None:
        """Take it away."""
        layer = self.layer
        self.forget()
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _looks(self, model: OpenModel, image: FloatArray) -> dict[str, Any]:
        """One scale for all depths, so that sections look as certain as they are beside the gaps."""
        return {"name": f"{model.name} · uncertainty", "contrast_limits": (0.0, self._highest)}


def mean_error(reconstruction: Reconstruction) -> float:
    """Mean error to expect in the middle of the gaps, where it is highest, in the stack's intensities."""
    sections = reconstruction.observed
    middles = [(low + high) / 2 for low, high in zip(sections, sections[1:], strict=False)]
    means = [float(reconstruction.uncertainty(z, zoom=SCALE_ZOOM).mean()) for z in middles]
    return sum(means) / len(means)
