"""The widget 'Compare': a reconstruction beside plain interpolation, and whether it pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.compare.controller import CompareController
from napari_emgauss._napari.compare.view import CompareView
from napari_emgauss._napari.viewer.docked import fill_dock

if TYPE_CHECKING:
    import napari


class CompareWidget(QWidget):
    """Dock widget.

    Parameters
    ----------
    viewer
        The viewer that it is docked in.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.view = CompareView()
        fill_dock(self, self.view)
        self.controller = CompareController(self.view, viewer)
