"""A slider of section coordinates that takes the keyboard."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QSlider, QWidget
from superqt import QLabeledDoubleSlider

_STEPS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Down: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (1, 0),
    Qt.Key.Key_PageDown: (0, -1),
    Qt.Key.Key_PageUp: (0, 1),
}
"""Fine steps and whole sections by key."""


class ZSlider(QLabeledDoubleSlider):
    """Arrow keys move by a fine step, page keys by a section, Home and End to the ends.

    superqt's slider counts keys in whole numbers, and takes none of them.

    Parameters
    ----------
    tip
        Tooltip.
    """

    def __init__(self, tip: str) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setDecimals(2)
        self.setToolTip(tip)
        self.step = 0.1
        """Fine step, in sections."""
        self.groove: QWidget = next((s for s in self.findChildren(QSlider)), self)
        self.groove.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.groove.installEventFilter(self)
        for part in (self, self.groove, *self.findChildren(QWidget)):
            part.setAccessibleName("Section coordinate")

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Move by the keys."""
        if event is None or event.type() != QEvent.Type.KeyPress:
            return False
        key = event.key()  # type: ignore[attr-defined]
        if key == Qt.Key.Key_Home:
            self.setValue(self.minimum())
        elif key == Qt.Key.Key_End:
            self.setValue(self.maximum())
        elif key in _STEPS:
            fine, sections = _STEPS[key]
            self.setValue(min(max(self.value() + fine * self.step + sections, self.minimum()), self.maximum()))
        else:
            return False
        return True
