"""Dock widget *Reconstruct*: from a stack to a trained model, in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_emgauss._napari.training.widget import TrainingWidget

if TYPE_CHECKING:
    from napari_emgauss._napari.reconstruct.controller import ReconstructController
    from napari_emgauss._napari.reconstruct.view import ReconstructView


class ReconstructWidget(TrainingWidget):
    """Choose a stack and how to train on it, watch the training, keep its model.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    needs = "napari_emgauss._napari.reconstruct.controller"
    view: ReconstructView
    controller: ReconstructController

    def parts(self) -> tuple[ReconstructView, ReconstructController]:
        """Make view and controller."""
        from napari_emgauss._napari.reconstruct.controller import ReconstructController
        from napari_emgauss._napari.reconstruct.view import ReconstructView
        from napari_emgauss._napari.viewer.models import open_models

        view = ReconstructView()
        return view, ReconstructController(view, self.viewer, open_models(self.viewer))
