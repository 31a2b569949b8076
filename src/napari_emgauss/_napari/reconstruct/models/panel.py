"""The list of models that are open or were saved, and what can be done with the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QInputDialog, QListWidget, QListWidgetItem, QMessageBox, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.elements import button, row, title

SHOWN = 4
"""Rows of the list that are seen without scrolling."""


@dataclass(frozen=True)
class ModelEntry:
    """A line of the list."""

    name: str
    state: str
    """Whether it is open, or when it was saved, in a few words."""
    about: str
    """Where, or when and how large, in words."""
    is_open: bool
    item: Any
    """What the controller knows it by."""


class ModelsPanel(QWidget):
    """Open, rename, close and delete models; the signals carry the item of the chosen entry."""

    opened = Signal(object)
    closed = Signal(object)
    renamed = Signal(object)
    deleted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.entries = QListWidget()
        self.entries.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # its end tells two of one stack apart
        self.entries.setAccessibleName("Recent models")
        self.entries.setSpacing(1)
        # Its scroll bar would cover the only row of a short list; the whole line is the row's tooltip.
        self.entries.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.entries.setToolTip("Every finished model is kept here by itself. Double-click on one to open it.")
        self.open_button = button("Open", "Open the chosen model and show it as an isotropic volume.")
        self.rename_button = button("Rename…", "Give the chosen model another name.")
        self.close_button = button("Close", "Close the chosen model; it stays in this list.")
        self.delete_button = button("Delete…", "Delete the file of the chosen model, once it is closed.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(title("Recent models"))
        layout.addWidget(self.entries)
        layout.addWidget(row(self.open_button, self.rename_button, self.close_button, self.delete_button))
        self._entries: list[ModelEntry] = []
        self.entries.currentRowChanged.connect(self._update)
        self.entries.itemDoubleClicked.connect(lambda _: self._tell(self.opened))
        for made, signal in (
            (self.open_button, self.opened),
            (self.rename_button, self.renamed),
            (self.close_button, self.closed),
            (self.delete_button, self.deleted),
        ):
            made.setMinimumWidth(40)
            made.clicked.connect(lambda _=False, signal=signal: self._tell(signal))
        self.offer([])

    def offer(self, entries: Sequence[ModelEntry]) -> None:
        """List these, and keep the choice."""
        chosen = self.entries.currentRow()
        item = self._entries[chosen].item if 0 <= chosen < len(self._entries) else None
        self._entries = list(entries)
        blocked = self.entries.blockSignals(True)
        self.entries.clear()
        for entry in entries:
            line = QListWidgetItem(f"{entry.name}  —  {entry.state}")
            line.setToolTip(f"{entry.name}  —  {entry.about}")
            font = line.font()
            font.setBold(entry.is_open)
            line.setFont(font)
            self.entries.addItem(line)
        known = [entry.item for entry in entries]
        self.entries.setCurrentRow(known.index(item) if item in known else 0)
        self.entries.blockSignals(blocked)
        height = max(self.entries.sizeHintForRow(0), 16) + 2 * self.entries.spacing()
        self.entries.setFixedHeight(height * min(max(len(entries), 1), SHOWN) + 2 * self.entries.frameWidth() + 4)
        self.setVisible(bool(entries))
        self._update()

    def choose(self, item: Any) -> None:
        """Choose the entry of ``item``."""
        self.entries.setCurrentRow([entry.item for entry in self._entries].index(item))

    def ask_name(self, name: str) -> str | None:
        """Ask for another name; None if it is to stay."""
        typed, agreed = QInputDialog.getText(self, "Rename the model", "Name:", text=name)
        return typed.strip() or None if agreed else None

    def agrees(self, question: str) -> bool:
        """Ask before something is lost."""
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(self, "EMGauss", question, buttons.Yes | buttons.No, buttons.No)
        return bool(answer == buttons.Yes)

    def keyPressEvent(self, event: Any) -> None:
        """Open with the Enter key."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.entries.hasFocus():
            self._tell(self.opened)
        else:
            super().keyPressEvent(event)

    def _chosen(self) -> ModelEntry | None:
        place = self.entries.currentRow()
        return self._entries[place] if 0 <= place < len(self._entries) else None

    def _tell(self, signal: Any) -> None:
        entry = self._chosen()
        if entry is not None:
            signal.emit(entry.item)

    def _update(self, _: int = 0) -> None:
        entry = self._chosen()
        self.rename_button.setEnabled(entry is not None)
        self.close_button.setEnabled(entry is not None and entry.is_open)
        for made in (self.open_button, self.delete_button):
            made.setEnabled(entry is not None and not entry.is_open)
