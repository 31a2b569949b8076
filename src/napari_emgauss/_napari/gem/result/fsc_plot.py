"""The plot of how far the halves of the particles agree."""

from __future__ import annotations

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_emgauss._napari.controls.elements import text_label
from napari_emgauss._napari.controls.plots import small_plot, take_theme, theme_colours
from napari_emgauss._napari.gem.result.curves import FscCurves

HEIGHT_PX = 150
THRESHOLDS = (0.143, 0.5)
LABELS = {
    "masked": "masked",
    "unmasked": "unmasked",
    "plain": "back\u2011projections",
    "own": "Gaussians\u00a0alone",
}
TIPS = (
    "Fourier shell correlation. Masked and unmasked: Gaussians of one half of the particles against the plain "
    "back-projection of the other, which is what the resolution is read from (at 0.143). Back-projections: those of "
    "both halves. Gaussians alone: of both halves, which agree beyond what is known."
)
COLOURS = {"masked": "#e8743b", "unmasked": "#5899da", "plain": "#19a979", "own": "#8f8f8f"}
"""Told apart by people who see few colours, on dark and on light."""
TICKS = (100, 50, 30, 20, 15, 10, 8, 6, 5, 4, 3, 2.5, 2, 1.5, 1.2, 1)
"""Å."""
CLOSEST = 0.14
"""Part of the axis between two ticks at least."""


class FscPlot(QWidget):
    """Curves, what they say in words, and what not to believe of them; hidden while there are none."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = small_plot(HEIGHT_PX)
        self.plot.setToolTip(f"<p>{TIPS}</p>")
        self.plot.setYRange(-0.05, 1.02, padding=0)
        self.plot.getAxis("left").setWidth(46)
        self.verdict = text_label()
        self.legend = text_label()
        self.warning = text_label()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for widget in (self.verdict, self.plot, self.legend, self.warning):
            layout.addWidget(widget)
        self.hide()

    @property
    def has_curves(self) -> bool:
        """Whether there is anything to see."""
        return not self.isHidden()

    def show_curves(self, found: FscCurves) -> None:
        """Show what is known."""
        text, _ = theme_colours()
        self.plot.clear()
        take_theme(self.plot)
        for level in THRESHOLDS:
            self.plot.addItem(pg.InfiniteLine(level, angle=0, pen=pg.mkPen(text, style=Qt.PenStyle.DotLine)))
        for curve in found.curves:
            dashed = Qt.PenStyle.SolidLine if curve.name in ("masked", "unmasked") else Qt.PenStyle.DashLine
            self.plot.plot(curve.frequency, curve.correlation, pen=pg.mkPen(COLOURS[curve.name], style=dashed))
        self.plot.setXRange(0, found.highest, padding=0)
        self.plot.getAxis("bottom").setTicks([_ticks(found.highest)])
        self.plot.getAxis("left").setTicks([[(v, f"{v:g}") for v in (*THRESHOLDS, 1)]])
        names = [f"<span style='color:{COLOURS[c.name]}'>━\u00a0{LABELS[c.name]}</span>" for c in found.curves]
        self.legend.setText("&nbsp; ".join(names))
        self.verdict.setText(found.verdict)
        self.warning.setText(f"⚠ {found.warning}" if found.warning else "")
        self.warning.setVisible(bool(found.warning))
        self.show()

    def clear(self) -> None:
        """Show nothing."""
        self.plot.clear()
        self.hide()


def _ticks(highest: float) -> list[tuple[float, str]]:
    """Round resolutions in Å at their frequencies, as far apart as their texts need."""
    ticks: list[tuple[float, str]] = []
    for angstrom in TICKS:
        place = 1 / angstrom
        if place <= highest and (not ticks or place - ticks[-1][0] >= CLOSEST * highest):
            ticks.append((place, f"{angstrom:g} Å"))
    return ticks
