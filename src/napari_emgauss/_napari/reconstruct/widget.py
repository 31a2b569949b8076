"""Dock widget *Reconstruct*: from a stack to a trained model, in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.reconstruct.controller import ReconstructController
from napari_emgauss._napari.reconstruct.view import ReconstructView
from napari_emgauss._napari.viewer.docked import fill_dock
from napari_emgauss._napari.viewer.models import open_models

if TYPE_CHECKING:
    import napari


class ReconstructWidget(QWidget):
    """Choose a stack and how to train on it, watch the training, keep its model.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.view = ReconstructView()
        itself = getattr(viewer, "__wrapped__", viewer)
        controller = self.controller = ReconstructController(self.view, itself, open_models(viewer))
        self.view.destroyed.connect(lambda: controller.close())  # a bound method would not keep it until then
        fill_dock(self, self.view, may_end=controller.may_end).taken_out.connect(self.controller.leave)
