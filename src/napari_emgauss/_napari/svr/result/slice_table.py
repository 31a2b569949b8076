"""The table of slices, those first that fit worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QSignalBlocker, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.elements import text_label

SUSPICIOUS = 0.5
"""A slice whose weight is below this counts less than half."""
HEIGHT_PX = 120


@dataclass(frozen=True, kw_only=True)
class WeighedSlice:
    """A slice as it is listed."""

    stack: int
    index: int
    name: str
    """Of its stack."""
    weight: float


class SliceTable(QWidget):
    """Slices with their weights; ``chosen`` gives stack and slice of the one that is clicked or stepped to."""

    chosen = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.verdict = text_label()
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(["Stack", "Slice", "Weight"])
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setFixedHeight(HEIGHT_PX)
        self.table.setToolTip("Choose a slice to see it beside what the volume says of it.")
        rows, columns = self.table.verticalHeader(), self.table.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.verdict)
        layout.addWidget(self.table)
        self._slices: Sequence[WeighedSlice] = ()
        self.table.itemSelectionChanged.connect(self._tell)

    def show_slices(self, slices: Sequence[WeighedSlice]) -> None:
        """List slices as they are ordered."""
        self._slices = slices
        n_bad = sum(own.weight < SUSPICIOUS for own in slices)
        self.verdict.setText(
            f"{n_bad} of {len(slices)} slices do not fit the others and count less than half:"
            if n_bad
            else f"All {len(slices)} slices fit; those that fit worst come first."
        )
        with QSignalBlocker(self.table):
            self.table.setRowCount(len(slices))
            for row, own in enumerate(slices):
                for column, text in enumerate((own.name, str(own.index), f"{own.weight:.2f}")):
                    item = QTableWidgetItem(text)
                    if column:
                        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                    self.table.setItem(row, column, item)
            self.table.clearSelection()

    def choose(self, stack: int, index: int) -> bool:
        """Choose a slice if it is listed; tell whether it is."""
        for row, own in enumerate(self._slices):
            if (own.stack, own.index) == (stack, index):
                self.table.selectRow(row)
                return True
        return False

    def _tell(self) -> None:
        row = self.table.currentRow()
        if 0 <= row < len(self._slices) and self.table.selectedItems():
            self.chosen.emit(self._slices[row].stack, self._slices[row].index)
