"""A dock whose contents scroll up and down only."""

from __future__ import annotations

import contextlib

from qtpy.QtCore import QEvent, QObject, QPoint, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget

from napari_emgauss._napari.controls.elements import timer

SETTLED_MS = 100
"""Time that the layout takes to follow what is shown and hidden."""


class VerticalScroll(QScrollArea):
    """Shows ``inner`` at its full width, with a vertical scroll bar where it is too tall."""

    def __init__(self, inner: QWidget) -> None:
        super().__init__()
        bar = self.verticalScrollBar()
        assert bar is not None
        self._bar, self._inner = bar, inner
        self._part = inner
        self._settled = timer(self, SETTLED_MS, self._go_to_part, once=True)
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
        """Scroll so that ``part`` begins at the top, as far as there is enough below it, once all is laid out."""
        self._part = part
        self._go_to_part()
        self._settled.start()

    def minimumSizeHint(self) -> QSize:
        """Return a size wide enough for the contents."""
        return QSize(self.minimumWidth(), 80)

    def _go_to_part(self) -> None:
        self._bar.setValue(self._part.mapTo(self._inner, QPoint(0, 0)).y())

    def _fit(self) -> None:
        self.setMinimumWidth(self._inner.minimumSizeHint().width() + self._bar.sizeHint().width())
