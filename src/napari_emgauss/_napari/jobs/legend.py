"""The legend of the blocks' colours, with how many there are of each."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPainter, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_emgauss._napari.jobs.colours import COLOURS, NAMES
from napari_emgauss.io.jobs import BlockState

SIDE_PX = 12


class BlockLegend(QWidget):
    """Swatch, name and number of the blocks in every state, two to a row."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip("<p>Colours of the blocks in the layer '… · blocks', and how many there are.</p>")
        self.counts: dict[BlockState, QLabel] = {}
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(6)
        for i, state in enumerate(NAMES):
            line, first = i // 2, 4 * (i % 2)
            count = self.counts[state] = QLabel("–")
            count.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            count.setMinimumWidth(28)
            swatch = QLabel()
            swatch.setPixmap(_swatch(COLOURS[state]))
            layout.addWidget(swatch, line, first)
            layout.addWidget(QLabel(NAMES[state]), line, first + 1)
            layout.addWidget(count, line, first + 2)
        layout.setColumnMinimumWidth(3, 24)
        layout.setColumnStretch(7, 1)

    def show_counts(self, counts: dict[BlockState, int]) -> None:
        """Show how many blocks there are in each state; none are known of where it is empty."""
        for state, label in self.counts.items():
            label.setText(f"{counts[state]:,}" if counts else "–")


def _swatch(colour: str) -> QPixmap:
    made = QPixmap(SIDE_PX, SIDE_PX)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    painter.drawRoundedRect(0, 0, SIDE_PX, SIDE_PX, 2, 2)
    painter.end()
    return made
