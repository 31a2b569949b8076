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

    def parts(self) -> tuple[ExportView, ExportController]:
        """Make view and controller."""
        from napari_emgauss._napari.export.controller import ExportController
        from napari_emgauss._napari.export.view import ExportView

        view = ExportView()
        return view, ExportController(view, self.viewer)
