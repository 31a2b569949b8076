"""Dock widget *Slices to volume*: from stacks of thick, moving slices to one sharp volume, in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_emgauss._napari.viewer.docked import DockedWidget

if TYPE_CHECKING:
    from napari_emgauss._napari.svr.controller import SlicesController
    from napari_emgauss._napari.svr.view import SlicesView


class SlicesWidget(DockedWidget):
    """Choose stacks, watch the volume come, look at the slices that do not fit, keep the volume.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    needs = "napari_emgauss._napari.svr.controller"
    view: SlicesView
    controller: SlicesController

    def fill(self) -> None:
        """Make view and controller, and show the view."""
        from napari_emgauss._napari.svr.controller import SlicesController
        from napari_emgauss._napari.svr.view import SlicesView

        self.view = SlicesView()
        controller = self.controller = SlicesController(self.view, self.viewer)
        self.view.destroyed.connect(lambda: controller.close())  # a bound method would not keep it until then
        self.show_view(self.view)

    def may_end(self) -> bool:
        """Ask before a training ends with the dock or the window."""
        return not self.is_filled or self.controller.may_end()

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        if self.is_filled:
            self.controller.leave()
