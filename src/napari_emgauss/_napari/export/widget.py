"""The widget 'Export isotropic': a reconstruction as a layer, a file, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_emgauss._napari.export.controller import ExportController
from napari_emgauss._napari.export.view import ExportView
from napari_emgauss._napari.viewer.docked import EndsWithDock

if TYPE_CHECKING:
    import napari.viewer


class ExportWidget(QWidget):
    """Dock widget.

    Parameters
    ----------
    viewer
        The viewer that it is docked in.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        EndsWithDock(self)
        self.view = ExportView()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        self.controller = ExportController(self.view, viewer)
