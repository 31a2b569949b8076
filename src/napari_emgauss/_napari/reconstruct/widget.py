"""Dock widget *Reconstruct*: from a stack to a trained model, in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_emgauss._napari.viewer.docked import DockedWidget

if TYPE_CHECKING:
    from napari_emgauss._napari.reconstruct.controller import ReconstructController
    from napari_emgauss._napari.reconstruct.view import ReconstructView


class ReconstructWidget(DockedWidget):
    """Choose a stack and how to train on it, watch the training, keep its model.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    needs = "napari_emgauss._napari.reconstruct.controller"
    view: ReconstructView
    controller: ReconstructController

    def fill(self) -> None:
        """Make view and controller, and show the view."""
        from napari_emgauss._napari.reconstruct.controller import ReconstructController
        from napari_emgauss._napari.reconstruct.view import ReconstructView
        from napari_emgauss._napari.viewer.models import open_models

        self.view = ReconstructView()
        controller = self.controller = ReconstructController(self.view, self.viewer, open_models(self.viewer))
        self.view.destroyed.connect(lambda: controller.close())  # a bound method would not keep it until then
        self.show_view(self.view)

    def may_end(self) -> bool:
        """Ask before a training ends with the dock or the window."""
        return not self.is_filled or self.controller.may_end()

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        if self.is_filled:
            self.controller.leave()
