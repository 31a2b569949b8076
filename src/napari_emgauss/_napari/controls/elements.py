"""The plain elements that forms are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QIcon, QResizeEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

LABEL_PX = 78
"""Width of the labels of forms: room for the longest one."""


def title(text: str) -> QLabel:
    """Return the heading of a part of a widget."""
    label = QLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    return label


def text_label(text: str = "") -> QLabel:
    """Return a label for sentences."""
    label = _Sentences(text)
    label.setWordWrap(True)
    label.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)  # not away from its heading
    return label


class _Sentences(QLabel):
    """Asks for room again where it was given too little: a form keeps heights of another width in mind."""

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Look whether all lines are seen."""
        super().resizeEvent(event)
        if self.height() < self.heightForWidth(self.width()):
            self.updateGeometry()


def button(text: str, tip: str) -> QPushButton:
    """Return a button with a tooltip."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setAutoDefault(True)  # the Enter key presses it, as in a dialog
    return made


def row(*widgets: QWidget, stretch: bool = False) -> QWidget:
    """Return a widget with ``widgets`` side by side, to the left if it may ``stretch``."""
    made = QWidget()
    layout = QHBoxLayout(made)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    if stretch:
        layout.addStretch(1)
    return made


def column(*widgets: QWidget, margin_px: int = 0, stretch: bool = False) -> QWidget:
    """Return a widget with ``widgets`` from top to bottom, at the top if it may ``stretch``."""
    made = QWidget()
    layout = QVBoxLayout(made)
    layout.setContentsMargins(margin_px, margin_px, margin_px, margin_px)
    for widget in widgets:
        layout.addWidget(widget)
    if stretch:
        layout.addStretch(1)
    return made


def form_layout(parent: QWidget) -> QFormLayout:
    """Return a layout of named rows for ``parent``, without margins."""
    form = QFormLayout(parent)
    form.setContentsMargins(0, 0, 0, 0)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def align_labels(*forms: QFormLayout) -> None:
    """Have the fields of forms that stand below each other begin at one place."""
    for form in forms:
        for row_number in range(form.rowCount()):
            item = form.itemAt(row_number, QFormLayout.ItemRole.LabelRole)
            label = None if item is None else item.widget()
            if label is not None:
                label.setMinimumWidth(LABEL_PX)


def words_for_least(box: QAbstractSpinBox, words: str) -> None:
    """Show ``words`` for the smallest number of a box; what is typed takes their place, wherever one clicked.

    Qt puts the cursor into the words, where it then takes no digit.
    """
    box.setSpecialValueText(words)
    edit = box.lineEdit()
    assert edit is not None
    edit.installEventFilter(_Marker(box))


class _Marker(QObject):
    """Marks the words of a box when they are clicked."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Mark them; the click itself goes on."""
        box = self.parent()
        released = event is not None and event.type() == QEvent.Type.MouseButtonRelease
        if released and isinstance(box, QAbstractSpinBox) and box.text() == box.specialValueText():
            box.selectAll()
        return False


def folded(text: str) -> QCollapsible:
    """Return a part of a form that is folded away at first."""
    made = QCollapsible(f"▸ {text}")
    for icon in (made.setCollapsedIcon, made.setExpandedIcon):
        icon(QIcon())  # its own are black in every theme
    outer = made.layout()
    assert outer is not None
    outer.setContentsMargins(0, 0, 0, 0)
    made.toggled.connect(lambda shown: made.setText(f"{'▾' if shown else '▸'} {text}"))
    return made


def timer(parent: QObject, interval_ms: int, call: Callable[[], Any], *, once: bool = False) -> QTimer:
    """Return a timer that is not yet started and ends with ``parent``."""
    made = QTimer(parent)
    made.setInterval(interval_ms)
    made.setSingleShot(once)
    made.timeout.connect(call)
    return made
