"""A strip under a slider that marks the observed sections."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from qtpy.QtCore import QPointF, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QPainter, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QStyle, QWidget

HEIGHT_PX = 14
CLOSEST_PX = 3.0
"""Marks nearer to each other than this are thinned out."""


class SectionMarks(QWidget):
    """Marks of sections: lines for those trained on, rings for held out, crosses for left out.

    A click goes to the nearest.

    Parameters
    ----------
    slider
        The plain slider whose groove the marks follow.
    """

    chosen = Signal(float)

    def __init__(self, slider: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = slider
        self._n = 2
        self._held_out: frozenset[int] = frozenset()
        self._left_out: frozenset[int] = frozenset()
        self.setFixedHeight(HEIGHT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_sections(self, n: int, *, held_out: Collection[int] = (), left_out: Collection[int] = ()) -> None:
        """Mark ``n`` sections."""
        self._n, self._held_out, self._left_out = n, frozenset(held_out), frozenset(left_out)
        words = [f"Marks: the {n - len(self._held_out) - len(self._left_out)} sections trained on"]
        words += [f"rings: {len(self._held_out)} held out to check the result"] if self._held_out else []
        words += [f"crosses: {len(self._left_out)} left out as damaged"] if self._left_out else []
        self.setToolTip("; ".join(words) + ". Click to go to a section.")
        self.update()

    def position_px(self, section: float) -> float:
        """Return the position of a section in this widget's pixels."""
        left, width = self._groove()
        return left + width * section / max(self._n - 1, 1)

    def _groove(self) -> tuple[float, float]:
        """Return left end and length of the path of the handle's middle."""
        left = self._slider.mapTo(self.window(), self._slider.rect().topLeft()).x()
        left -= self.mapTo(self.window(), self.rect().topLeft()).x()
        style = self._slider.style()
        handle = 0 if style is None else style.pixelMetric(QStyle.PixelMetric.PM_SliderLength, None, self._slider)
        return left + handle / 2, max(self._slider.width() - handle, 1)

    def paintEvent(self, event: Any) -> None:
        """Draw the marks in the theme's text colour."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(QPen(colour, 1.2))
        spacing = self._groove()[1] / max(self._n - 1, 1)
        step = max(1, round(CLOSEST_PX / spacing)) if spacing < CLOSEST_PX else 1
        special = self._held_out | self._left_out
        for i in sorted({*range(0, self._n, step), *special}):
            x, middle = self.position_px(i), HEIGHT_PX / 2
            if i in self._left_out:
                painter.drawLine(QPointF(x - 2.5, middle - 2.5), QPointF(x + 2.5, middle + 2.5))
                painter.drawLine(QPointF(x - 2.5, middle + 2.5), QPointF(x + 2.5, middle - 2.5))
            elif i in self._held_out:
                painter.drawEllipse(QPointF(x, middle), 2.7, 2.7)
            else:
                painter.drawLine(QPointF(x, 2), QPointF(x, HEIGHT_PX - 4))

    def mousePressEvent(self, event: Any) -> None:
        """Go to the nearest section."""
        if event.button() == Qt.MouseButton.LeftButton:
            left, width = self._groove()
            section = round((event.position().x() - left) / width * (self._n - 1))
            self.chosen.emit(float(min(max(section, 0), self._n - 1)))
