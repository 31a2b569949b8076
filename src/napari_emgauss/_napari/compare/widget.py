"""The widget 'Compare': a reconstruction beside plain interpolation, and whether it pays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_emgauss._napari.viewer.docked import DockedWidget

if TYPE_CHECKING:
    from napari_emgauss._napari.compare.controller import CompareController
    from napari_emgauss._napari.compare.view import CompareView


class CompareWidget(DockedWidget):
    """A model beside plain interpolation, with scores.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    needs = "napari_emgauss._napari.compare.controller"
    view: CompareView
    controller: CompareController

    def fill(self) -> None:
        """Make view and controller, and show the view."""
        from napari_emgauss._napari.compare.controller import CompareController
        from napari_emgauss._napari.compare.view import CompareView

        self.view = CompareView()
        self.controller = CompareController(self.view, self.viewer)
        self.show_view(self.view)
