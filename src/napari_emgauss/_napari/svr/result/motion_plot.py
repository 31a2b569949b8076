"""The plot of how slices moved."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pyqtgraph as pg
from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.plots import small_plot, take_theme, theme_colours
from napari_emgauss._types import AnyArray

HEIGHT_PX = 100
WHAT = ("Rotation of each slice in °, about", "Its translation in mm, along")
COLOURS = ("#e8743b", "#19a979", "#5899da")
"""Of x, y and z; told apart by people who see few colours, on dark and on light."""


def told_apart(names: Sequence[str]) -> list[str]:
    """Return names without the parts, between underscores, that are the same in all."""
    parts = [name.split("_") for name in names]
    if len({len(own) for own in parts}) > 1 or len(set(names)) == 1:
        return list(names)
    differs = [len(set(column)) > 1 for column in zip(*parts, strict=True)]
    return ["_".join(part for part, keep in zip(own, differs, strict=True) if keep) for own in parts]


class MotionPlot(QWidget):
    """Rotation and translation of every slice, three curves each; a click tells which slice it was on."""

    clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._plots = [small_plot(HEIGHT_PX) for _ in range(2)]
        names = " · ".join(
            f"<span style='color:{colour}'>{axis}</span>" for axis, colour in zip("xyz", COLOURS, strict=True)
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for plot, what in zip(self._plots, WHAT, strict=True):
            layout.addWidget(QLabel(f"{what} {names}"))
            layout.addWidget(plot)
            plot.getAxis("left").setWidth(34)
            plot.setToolTip("Click a slice to see it beside what the volume says of it.")
            plot.scene().sigMouseClicked.connect(lambda event, plot=plot: self._on_click(plot, event))
        self._marks: list[Any] = []
        self._n = 0

    def show_motion(self, parts: Sequence[AnyArray], starts: Sequence[int], names: Sequence[str]) -> None:
        """Show rotations and translations (n, 3); stacks begin at ``starts``, of which the last is n."""
        text, _ = theme_colours()
        self._n = starts[-1]
        self._marks = []
        for plot, values in zip(self._plots, parts, strict=True):
            plot.clear()
            take_theme(plot)
            for component, colour in zip(values.T, COLOURS, strict=True):
                for first, last in pairwise(starts):
                    plot.plot(range(first, last), component[first:last], pen=pg.mkPen(colour))
            for border in starts[1:-1]:
                plot.addItem(pg.InfiniteLine(border - 0.5, pen=pg.mkPen(text, style=Qt.PenStyle.DotLine)))
            mark = pg.InfiniteLine(0, pen=pg.mkPen(text))
            mark.hide()
            plot.addItem(mark, ignoreBounds=True)
            self._marks.append(mark)
            middles = [(a + b - 1) / 2 for a, b in pairwise(starts)]
            plot.getAxis("bottom").setTicks([list(zip(middles, names, strict=True))])

    def mark(self, row: int | None) -> None:
        """Draw a line at a slice, or none."""
        for line in self._marks:
            line.setVisible(row is not None)
            if row is not None:
                line.setValue(row)

    def _on_click(self, plot: Any, event: Any) -> None:
        at = plot.getViewBox().mapSceneToView(event.scenePos()).x()
        if 0 <= round(at) < self._n:
            self.clicked.emit(round(at))
