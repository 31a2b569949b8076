"""Dock widget *Slices to volume*: from stacks of thick, moving slices to one sharp volume, in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.svr.controller import SlicesController
from napari_emgauss._napari.svr.view import SlicesView
from napari_emgauss._napari.viewer.docked import fill_dock

if TYPE_CHECKING:
    import napari


class SlicesWidget(QWidget):
    """Choose stacks, watch the volume come, look at the slices that do not fit, keep the volume.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.view = SlicesView()
        controller = self.controller = SlicesController(self.view, getattr(viewer, "__wrapped__", viewer))
        self.view.destroyed.connect(lambda: controller.close())  # a bound method would not keep it until then
        fill_dock(self, self.view, may_end=controller.may_end).taken_out.connect(self.controller.leave)
