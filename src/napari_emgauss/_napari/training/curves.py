"""The live curves of a training: loss, and the score on held-out sections beside plain interpolation's."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.plots import small_plot, take_theme, theme_colours
from napari_emgauss._napari.training.progress import ProgressPoint

HEIGHT_PX = 110
AXIS_PX = 44
"""Width of the vertical axes: one for both plots, so that their iterations are below each other."""
DRAW_EVERY_S = 0.7


class Curves(QWidget):
    """Two small plots over iterations; the lower one only where sections are held out."""

    def __init__(self, loss_title: str) -> None:
        super().__init__()
        self._loss, self._score = small_plot(HEIGHT_PX), small_plot(HEIGHT_PX)
        for plot in (self._loss, self._score):
            plot.getAxis("left").setWidth(AXIS_PX)
        self._score_title = QLabel("PSNR on held-out sections (dB; higher is better)")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for widget in (QLabel(loss_title), self._loss, self._score_title, self._score):
            layout.addWidget(widget)
        self._iterations: list[int] = []
        self._losses: list[float] = []
        self._score_at: list[int] = []
        self._scores: list[float] = []
        self._plain: dict[str, pg.InfiniteLine] = {}
        self._drawn_at = 0.0
        self.clear()

    def clear(self) -> None:
        """Forget the last training."""
        for plot in (self._loss, self._score):
            plot.clear()
        for values in (self._iterations, self._losses, self._score_at, self._scores):
            values.clear()
        self._plain.clear()
        self._loss_curve, self._score_curve = self._loss.plot(autoDownsample=True), self._score.plot()
        self.take_theme()
        self._show_score(shown=False)

    def take_theme(self) -> None:
        """Draw in the colours of napari's present theme."""
        line, accent = theme_colours()
        for curve in (self._loss_curve, self._score_curve):
            curve.setPen(pg.mkPen(accent))  # width 1: Qt draws wider lines many times slower
        for plot in (self._loss, self._score):
            take_theme(plot)
        for level in self._plain.values():
            level.setPen(pg.mkPen(line, style=Qt.PenStyle.DashLine))
            level.label.setColor(line)

    @property
    def has_data(self) -> bool:
        """Whether there is anything to see."""
        return bool(self._iterations)

    def set_plain_levels(self, levels: Mapping[str, float]) -> None:
        """Draw the levels of linear and of the best plain interpolation on the same held-out sections."""
        if not levels:
            return
        best = max(levels, key=lambda name: levels[name])
        for name, position in {"linear": 0.25, best: 0.75}.items():
            self._plain[name] = self._level(levels[name], f"{name} {levels[name]:.2f}", position)
            self._score.addItem(self._plain[name], ignoreBounds=False)
        self._show_score(shown=True)

    def _level(self, psnr_db: float, label: str, position: float) -> pg.InfiniteLine:
        line, _ = theme_colours()
        return pg.InfiniteLine(
            psnr_db,
            angle=0,
            pen=pg.mkPen(line, style=Qt.PenStyle.DashLine),
            label=label,
            labelOpts={"position": position, "color": line, "anchors": [(0.5, 1), (0.5, 1)]},
        )

    def add(self, points: Sequence[ProgressPoint]) -> None:
        """Append to the curves, which are drawn now and then."""
        for point in points:
            if point.loss is not None:
                self._iterations.append(point.iteration)
                self._losses.append(point.loss)
            if point.held_out_psnr_db is not None:
                self._score_at.append(point.iteration)
                self._scores.append(point.held_out_psnr_db)
        now = time.monotonic()
        if now - self._drawn_at >= DRAW_EVERY_S:
            self._drawn_at = now
            self.draw()

    def draw(self) -> None:
        """Draw what was added."""
        self._loss_curve.setData(self._iterations, self._losses)
        if self._scores:
            self._score_curve.setData(self._score_at, self._scores)
            self._show_score(shown=True)

    def _show_score(self, *, shown: bool) -> None:
        self._score_title.setVisible(shown)
        self._score.setVisible(shown)
