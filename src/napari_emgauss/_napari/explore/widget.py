"""Dock widget *Explore z*: look at a reconstruction at any depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.explore.controller import ExploreController
from napari_emgauss._napari.explore.view import ExploreView
from napari_emgauss._napari.viewer.docked import fill_dock
from napari_emgauss._napari.viewer.models import open_models

if TYPE_CHECKING:
    import napari


class ExploreWidget(QWidget):
    """Continuous position along z, drawn into one layer that overlays the stack.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.view = ExploreView()
        self.controller = ExploreController(self.view, getattr(viewer, "__wrapped__", viewer), open_models(viewer))
        fill_dock(self, self.view).taken_out.connect(self.controller.leave)
