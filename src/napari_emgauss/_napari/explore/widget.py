"""Dock widget *Explore z*: look at a reconstruction at any depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_emgauss._napari.viewer.docked import DockedWidget

if TYPE_CHECKING:
    from napari_emgauss._napari.explore.controller import ExploreController
    from napari_emgauss._napari.explore.view import ExploreView


class ExploreWidget(DockedWidget):
    """Continuous position along z, drawn into one layer that overlays the stack.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    needs = "napari_emgauss._napari.explore.controller"
    view: ExploreView
    controller: ExploreController

    def parts(self) -> tuple[ExploreView, ExploreController]:
        """Make view and controller."""
        from napari_emgauss._napari.explore.controller import ExploreController
        from napari_emgauss._napari.explore.view import ExploreView
        from napari_emgauss._napari.viewer.models import open_models

        view = ExploreView()
        return view, ExploreController(view, self.viewer, open_models(self.viewer))

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        if self.is_filled:
            self.controller.leave()
