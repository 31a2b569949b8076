"""The widget 'Export isotropic': a reconstruction as a layer, a file, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.export.controller import ExportController
from napari_emgauss._napari.export.view import ExportView
from napari_emgauss._napari.viewer.docked import fill_dock

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
        self.view = ExportView()
        fill_dock(self, self.view)
        self.controller = ExportController(self.view, viewer)
