"""The view of the scores on held-out sections: a small table, and what it means in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QProgressBar,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_emgauss._napari.compare.places_panel import PlacesPanel
from napari_emgauss._napari.controls.elements import button, column, folded, text_label
from napari_emgauss.evaluation import Places

ABOUT = (
    "Held-out sections were kept from the training and from the interpolations. The gaps there are twice as wide as "
    "elsewhere, for all of them.\nPSNR: fidelity in decibels. SSIM: likeness, at most 1. Both reward blur.\n"
    "Structure: agreement at every scale, at most 1, which no blur improves. More is better."
)


class ScoresRow(NamedTuple):
    """A row of the table."""

    method: str
    psnr: str
    ssim: str
    structure: str
    is_bold: bool


class ScoresView(QWidget):
    """Shows scores. ``row_clicked`` tells a row, ``instead_wanted`` that a layer is to be made by interpolation."""

    row_clicked = Signal(int)
    instead_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.verdict = text_label()
        self.instead = button(
            "", "Add the stack, interpolated to cubic voxels, as a layer: no model is needed for that."
        )
        self.instead.clicked.connect(lambda: self.instead_wanted.emit())
        self.places = PlacesPanel()
        self.details = folded("Details")
        self.numbers = text_label()
        self.progress = QProgressBar()
        self.progress.setFormat("Scoring held-out sections: %v of %m")
        self.table = QTableWidget(0, 4)
        self._set_up_table()
        self.details.addWidget(column(self.numbers, self.table))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.verdict, self.places, self.instead, self.progress, self.details):
            layout.addWidget(widget)
        self.clear()

    def _set_up_table(self) -> None:
        table = self.table
        table.setHorizontalHeaderLabels(["Method", "PSNR (dB)", "SSIM", "Structure"])
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        table.setShowGrid(False)
        table.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header, side = table.horizontalHeader(), table.verticalHeader()
        assert header is not None
        assert side is not None
        side.hide()
        self._header = header
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionsClickable(False)
        table.setToolTip(f"{ABOUT}\nClick on an interpolation to see it above.")
        table.cellClicked.connect(lambda row, _column: self.row_clicked.emit(row))

    def clear(self) -> None:
        """Show nothing."""
        self.verdict.setText("")
        self.places.offer(Places())
        for widget in (self.verdict, self.instead, self.table, self.progress, self.details):
            widget.hide()

    def show_text(self, text: str, details: str = "") -> None:
        """Say ``text``; the ``details`` are folded away."""
        self.verdict.setText(text)
        self.verdict.setToolTip(ABOUT)
        self.verdict.show()
        self.numbers.setText(details)
        self.details.setVisible(bool(details))

    def show_progress(self, done: int, total: int) -> None:
        """Show how far the scoring is; a ``total`` of 0 is not yet known."""
        self.progress.setRange(0, total)
        self.progress.setValue(done)
        self.progress.show()

    def show_scores(self, rows: Sequence[ScoresRow], instead: str) -> None:
        """Show a table, and a button with the text ``instead`` unless that is ''."""
        self.instead.setText(instead)
        self.instead.setVisible(bool(instead))
        self.table.setRowCount(len(rows))
        for i, (*cells, is_bold) in enumerate(rows):
            for k, text in enumerate(cells):
                self.table.setItem(i, k, _cell(str(text), number=k > 0, bold=bool(is_bold)))
        self.table.show()
        self.table.resizeRowsToContents()
        height = sum(self.table.rowHeight(i) for i in range(self.table.rowCount()))
        self.table.setFixedHeight(height + self._header.sizeHint().height() + 2)


def _cell(text: str, *, number: bool, bold: bool) -> Any:
    item = QTableWidgetItem(text)
    font = item.font()
    font.setBold(bold)
    item.setFont(font)
    if number:
        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return item
