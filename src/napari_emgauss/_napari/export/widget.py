"""The widget 'Export isotropic': a reconstruction as a layer, a file, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_emgauss._napari.viewer.docked import DockedWidget

if TYPE_CHECKING:
    from napari_emgauss._napari.export.controller import ExportController
    from napari_emgauss._napari.export.view import ExportView


class ExportWidget(DockedWidget):
    """What to export, and where to.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    needs = "napari_emgauss._napari.export.controller"
    view: ExportView
    controller: ExportController

    def fill(self) -> None:
        """Make view and controller, and show the view."""
        from napari_emgauss._napari.export.controller import ExportController
        from napari_emgauss._napari.export.view import ExportView

        self.view = ExportView()
        self.controller = ExportController(self.view, self.viewer)
        self.show_view(self.view)
