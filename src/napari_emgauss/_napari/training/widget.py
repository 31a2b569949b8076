"""Dock widgets in which something is trained."""

from __future__ import annotations

from typing import Any, ClassVar

from qtpy.QtCore import QObject

from napari_emgauss._napari.viewer.docked import DockedWidget


class TrainingWidget(DockedWidget):
    """A dock widget whose controller has a training: it is asked for before it ends with the dock, and ends with it."""

    def fill(self) -> None:
        """Make view and controller, and show the view."""
        super().fill()
        EndsWithView(self.view, self.controller)

    def may_end(self) -> bool:
        """Ask before a training ends with the dock or the window."""
        return not self.is_filled or bool(self.controller.may_end())

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        if self.is_filled:
            self.controller.leave()


class EndsWithView:
    """Closes a controller when its view is destroyed, and keeps it until then.

    What is connected to a signal must not keep it: that would be garbage together with the view wherever Python's
    collector finds it before Qt has destroyed the view, and Qt would call a function that the collector has emptied.

    Parameters
    ----------
    view
        Whose destruction ends the training.
    controller
        What is closed.
    """

    _waiting: ClassVar[set[EndsWithView]] = set()

    def __init__(self, view: QObject, controller: Any) -> None:
        self._controller = controller
        self._waiting.add(self)
        view.destroyed.connect(self._end)  # methods are kept by nobody but the set

    def _end(self) -> None:
        self._waiting.discard(self)
        self._controller.close()
