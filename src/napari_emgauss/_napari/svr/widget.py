"""Dock widget *Slices to volume*: from stacks of thick, moving slices to one sharp volume, in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_emgauss._napari.training.widget import TrainingWidget

if TYPE_CHECKING:
    from napari_emgauss._napari.svr.controller import SlicesController
    from napari_emgauss._napari.svr.view import SlicesView


class SlicesWidget(TrainingWidget):
    """Choose stacks, watch the volume come, look at the slices that do not fit, keep the volume.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    needs = "napari_emgauss._napari.svr.controller"
    view: SlicesView
    controller: SlicesController

    def parts(self) -> tuple[SlicesView, SlicesController]:
        """Make view and controller."""
        from napari_emgauss._napari.svr.controller import SlicesController
        from napari_emgauss._napari.svr.view import SlicesView

        view = SlicesView()
        return view, SlicesController(view, self.viewer)
