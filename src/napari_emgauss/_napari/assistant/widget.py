"""Dock widget *Assistant*: from a stack to its isotropic volume, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.assistant.controller import AssistantController
from napari_emgauss._napari.assistant.view import AssistantView
from napari_emgauss._napari.viewer.docked import fill_dock
from napari_emgauss._napari.viewer.models import open_models

if TYPE_CHECKING:
    import napari


class AssistantWidget(QWidget):
    """All steps in one dock, made of the parts of the other widgets.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.view = AssistantView()
        itself = getattr(viewer, "__wrapped__", viewer)
        controller = self.controller = AssistantController(self.view, itself, open_models(viewer))
        self.view.destroyed.connect(lambda: controller.close())  # a bound method would not keep it until then
        fill_dock(self, self.view, may_end=controller.may_end).taken_out.connect(self.controller.leave)
