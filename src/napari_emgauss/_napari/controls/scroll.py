"""A dock whose contents scroll up and down only."""

from __future__ import annotations

import contextlib

from qtpy.QtCore import QEvent, QObject, QPoint, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget


class VerticalScroll(QScrollArea):
    """Shows ``inner`` at its full width, with a vertical scroll bar where it is too tall."""

    def __init__(self, inner: QWidget) -> None:
        super().__init__()
        bar = self.verticalScrollBar()
        assert bar is not None
        self._bar, self._inner = bar, inner
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inner)
        inner.installEventFilter(self)
        self._fit()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the contents when they, or the theme, change."""
        if event is not None and event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.StyleChange):
            with contextlib.suppress(RuntimeError):  # the bar is destroyed before the area, which PySide6 still asks
                self._fit()
        return super().eventFilter(watched, event)

    def show_end(self) -> None:
        """Scroll to the bottom."""
        self._bar.setValue(self._bar.maximum())

    def show_part(self, part: QWidget) -> None:
        """Scroll so that ``part`` begins at the top, as far as there is enough below it."""
        self._bar.setValue(part.mapTo(self._inner, QPoint(0, 0)).y())

    def minimumSizeHint(self) -> QSize:
        """Return a size wide enough for the contents."""
        return QSize(self.minimumWidth(), 80)

    def _fit(self) -> None:
        self.setMinimumWidth(self._inner.minimumSizeHint().width() + self._bar.sizeHint().width())
