"""Section and uncertainty on the canvas, moved together with napari's slider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from napari_emgauss._napari.explore.drawing import Picture
from napari_emgauss._napari.explore.layer import SectionLayer
from napari_emgauss._napari.explore.scrub import Drawing, Scrubber, Visible
from napari_emgauss._napari.explore.uncertainty import UncertaintyLayer
from napari_emgauss._napari.explore.viewpoint import Viewpoint
from napari_emgauss._napari.viewer.models import OpenModel


class SectionCanvas:
    """The layers that are drawn into, and the viewer's axes and camera.

    Parameters
    ----------
    viewer
        The viewer itself, not a proxy.
    """

    def __init__(self, viewer: Any) -> None:
        self.section = SectionLayer(viewer)
        self.uncertainty = UncertaintyLayer(viewer)
        self.viewpoint = Viewpoint(viewer)
        self.steering = False
        """Whether napari's slider is being moved from here."""

    @property
    def hidden(self) -> bool:
        """Whether the user has hidden the section."""
        return self.section.layer is not None and not self.section.layer.visible

    def visible(self, scrub: Scrubber) -> Visible | None:
        """Return the part of the section on the canvas, None if nothing of it can be seen."""
        return None if self.hidden or not self.viewpoint.shows_sections else self.viewpoint.visible(scrub)

    def shows(self, model: OpenModel, drawing: Drawing, *, with_error: bool) -> bool:
        """Tell whether this is what the layers show now."""
        layers = (self.section, self.uncertainty) if with_error else (self.section,)
        return all(layer.shows(model, drawing) for layer in layers)

    def steer(self, scrub: Scrubber, *, exactly: bool = False) -> bool:
        """Move layers and napari's slider to the present position; tell whether the layers were sliced again."""
        if not self.viewpoint.shows_sections:
            return False
        with self._steered():
            for layer in (self.section, self.uncertainty):
                layer.move(scrub.model, scrub.z, exactly=exactly)
            return self.viewpoint.go_to(scrub.model, scrub.z)

    def take(self, scrub: Scrubber, drawing: Drawing, picture: Picture, *, with_error: bool) -> None:
        """Show a picture of the scrubber's model, at its present position even if that has moved on."""
        is_first = self.section.layer is None
        with self._steered():
            shown = {self.section: self.section.show(scrub.model, drawing, picture.image)}
            if with_error and picture.error is not None and self.uncertainty.knows(scrub.model):
                shown[self.uncertainty] = self.uncertainty.show(scrub.model, drawing, picture.error)
        if is_first:
            self.uncertainty.lift()
        if not self.steer(scrub, exactly=not drawing.moving):
            for layer, is_shown in shown.items():
                if not is_shown:
                    layer.refresh()

    @contextmanager
    def _steered(self) -> Iterator[None]:
        self.steering = True
        try:
            yield
        finally:
            self.steering = False
