"""A line for the name of a file or folder, with a button to look for it."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QWidget

from napari_emgauss._napari.controls.elements import button

BUTTON_PX = 30


class PathField(QWidget):
    """Name of a file or of a folder; ``changed`` tells that `path` may differ.

    Parameters
    ----------
    tip
        Tooltip.
    kinds
        Filter of the file dialog; a folder is asked for where it is empty.
    hint
        Shown while nothing is entered.
    """

    changed = Signal()

    def __init__(self, tip: str, kinds: str = "", *, hint: str = "") -> None:
        super().__init__()
        self._tip, self._kinds = tip, kinds
        self.edit = QLineEdit()
        self.edit.setPlaceholderText(hint)
        self.edit.setMinimumWidth(80)
        self.setToolTip(f"<p>{tip}</p>")
        self.browse = button("…", tip)
        self.browse.setFixedWidth(BUTTON_PX)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.edit)
        layout.addWidget(self.browse)
        self.edit.editingFinished.connect(self.changed)
        self.browse.clicked.connect(lambda: self._ask())

    @property
    def path(self) -> Path | None:
        """What is entered, None for nothing."""
        text = self.edit.text().strip()
        return Path(text).expanduser() if text else None

    def set_path(self, path: Path | None) -> None:
        """Enter a name."""
        self.edit.setText("" if path is None else str(path))
        self.changed.emit()

    def _ask(self) -> None:
        here = self.edit.text()
        if self._kinds:
            chosen, _ = QFileDialog.getOpenFileName(self, self._tip, here, self._kinds)
        else:
            chosen = QFileDialog.getExistingDirectory(self, self._tip, here)
        if chosen:
            self.set_path(Path(chosen))
