"""The mouse wheel scrolls past fields that have no focus."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QScrollArea, QScrollBar, QWidget


class WheelGuard(QObject):
    """Keeps the wheel from changing fields that one only scrolls past.

    A number or a choice takes the wheel once it was clicked, and so does a slider in a scroll area.

    Parameters
    ----------
    view
        The widget with the fields, all of them made already.
    """

    def __init__(self, view: QWidget) -> None:
        super().__init__(view)
        fields: list[QWidget] = [*view.findChildren(QAbstractSpinBox), *view.findChildren(QComboBox)]
        for area in view.findChildren(QScrollArea):
            sliders = area.findChildren(QAbstractSlider)
            fields += [slider for slider in sliders if not isinstance(slider, QScrollBar)]
        for field in fields:
            field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # by click and by tab key, not by wheel
            field.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Leave the wheel to what the field lies in."""
        if event is None or event.type() != QEvent.Type.Wheel:
            return False
        if isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False
