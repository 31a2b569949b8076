"""The error to expect, laid over the section that Explore z shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari.utils.colormaps import Colormap

from napari_emgauss._napari.explore.layer import SectionLayer
from napari_emgauss._napari.viewer.models import OpenModel
from napari_emgauss._types import FloatArray

TINT = Colormap(
    [[1, 1, 1], [1, 1, 1], [1, 0.3, 0.05]],
    controls=[0, 0.35, 1],
    name="error to expect",
    display_name="error to expect",
)
"""Multiplied with the section: small errors leave it as it is, twice the mean error turns it red."""


class UncertaintyLayer(SectionLayer):
    """A layer exactly over the drawn section, while it is wanted.

    Parameters
    ----------
    viewer
        The viewer itself, not a proxy.
    """

    at_first: Mapping[str, Any] = {
        "colormap": TINT,
        "blending": "multiplicative",
        "metadata": {"napari-emgauss": {"drawn": "uncertainty"}},
    }

    def __init__(self, viewer: Any) -> None:
        super().__init__(viewer)
        self._mean: tuple[OpenModel, float] | None = None

    def knows(self, model: OpenModel) -> bool:
        """Tell whether it knows the mean error of ``model``."""
        return self._mean is not None and self._mean[0] is model

    def tell(self, model: OpenModel, mean_error: float) -> None:
        """Take the mean error of ``model``, which its colours are scaled to."""
        self._mean = model, mean_error

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
        """Return one scale for all depths, so that sections look as certain as they are beside the gaps."""
        assert self._mean is not None
        return {"name": model.layer_name("uncertainty"), "contrast_limits": (0.0, 2 * self._mean[1] or 1.0)}
