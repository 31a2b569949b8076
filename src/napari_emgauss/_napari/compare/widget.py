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

    def parts(self) -> tuple[CompareView, CompareController]:
        """Make view and controller."""
        from napari_emgauss._napari.compare.controller import CompareController
        from napari_emgauss._napari.compare.view import CompareView

        view = CompareView()
        return view, CompareController(view, self.viewer)
