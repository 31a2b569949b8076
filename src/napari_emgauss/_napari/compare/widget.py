"""The widget 'Compare': a reconstruction beside plain interpolation, and whether it pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_emgauss._napari.compare.controller import CompareController
from napari_emgauss._napari.compare.view import CompareView
from napari_emgauss._napari.viewer.docked import EndsWithDock

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
        EndsWithDock(self)
        self.view = CompareView()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        self.controller = CompareController(self.view, viewer)
