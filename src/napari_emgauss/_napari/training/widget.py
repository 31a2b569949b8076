"""Dock widgets in which something is trained."""

from __future__ import annotations

from napari_emgauss._napari.viewer.docked import DockedWidget


class TrainingWidget(DockedWidget):
    """A dock widget whose controller has a training: it is asked for before it ends with the dock, and ends with it."""

    def fill(self) -> None:
        """Make view and controller, and show the view."""
        super().fill()
        controller = self.controller
        self.view.destroyed.connect(lambda: controller.close())  # a bound method would not keep it until then

    def may_end(self) -> bool:
        """Ask before a training ends with the dock or the window."""
        return not self.is_filled or bool(self.controller.may_end())

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        if self.is_filled:
            self.controller.leave()
