"""Widgets in napari's docks, which end when a dock is closed with its × button."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.wheel import WheelGuard


def fill_dock(widget: QWidget, view: QWidget) -> EndsWithDock:
    """Show ``view`` as all there is in ``widget``, which ends with its dock."""
    # napari would put empty space below a view that does not ask for all of the height.
    view.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(view)
    WheelGuard(view)
    return EndsWithDock(widget)


class EndsWithDock(QObject):
    """Destroys a widget once it is taken out of its dock.

    napari's × button destroys the dock but only lets go of the widget, which would live on unseen with its threads,
    timers and connections, kept by the slots it is connected to. ``taken_out`` tells just before, while the widget and
    the viewer are still whole.
    """

    taken_out = Signal()

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Wait for the widget to lose its parent."""
        if watched is not None and event is not None and self._is_taken_out(watched, event):
            self.taken_out.emit()
            watched.deleteLater()
        return False

    @staticmethod
    def _is_taken_out(watched: QObject, event: QEvent) -> bool:
        return event.type() == QEvent.Type.ParentChange and watched.parent() is None
