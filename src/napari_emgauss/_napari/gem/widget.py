"""Dock widget *Particles to map*: from particles of cryo-EM to a density map, in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.gem.controller import ParticlesController
from napari_emgauss._napari.gem.view import ParticlesView
from napari_emgauss._napari.viewer.docked import fill_dock

if TYPE_CHECKING:
    import napari


class ParticlesWidget(QWidget):
    """Choose particles, watch the map and its resolution come, keep the map.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.view = ParticlesView()
        controller = self.controller = ParticlesController(self.view, getattr(viewer, "__wrapped__", viewer))
        self.view.destroyed.connect(lambda: controller.close())  # a bound method would not keep it until then
        fill_dock(self, self.view, may_end=controller.may_end).taken_out.connect(self.controller.leave)
