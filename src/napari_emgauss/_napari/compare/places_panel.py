"""Buttons that lead to the best places of a reconstruction, and to the worst ones."""

from __future__ import annotations

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from napari_emgauss._napari.controls.elements import button
from napari_emgauss.evaluation import Place, Places


class PlacesPanel(QWidget):
    """Two rows of buttons; hidden while there are no places. ``chosen`` tells the `Place`."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.buttons: list[QPushButton] = []
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self.hide()

    def offer(self, places: Places, *, best: str = "Best places", worst: str = "Worst places", tip: str = "") -> None:
        """Offer these, called so."""
        while (item := self._layout.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        self.buttons = []
        for line, (name, row) in enumerate(((best, places.best), (worst, places.worst))):
            label = QLabel(name)
            label.setToolTip(tip)
            self._layout.addWidget(label, line, 0)
            for column, place in enumerate(row):
                self._layout.addWidget(self._button(name, column + 1, place), line, column + 1)
        self.setVisible(bool(self.buttons))

    def _button(self, name: str, number: int, place: Place) -> QPushButton:
        made = button(str(number), f"Go there: section {place.z:g}, row {place.y}, column {place.x}.")
        made.setAccessibleName(f"{name}: {number}")
        made.setMinimumWidth(20)
        made.clicked.connect(lambda: self.chosen.emit(place))
        self.buttons.append(made)
        return made
