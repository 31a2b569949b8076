"""A question before a file is replaced."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QMessageBox, QWidget


def may_replace(parent: QWidget, path: Path) -> bool:
    """Tell whether ``path`` is free, or the user agrees to replace it."""
    if not path.exists():
        return True
    buttons = QMessageBox.StandardButton
    answer = QMessageBox.question(
        parent,
        "Replace the file?",
        f"{path.name} already exists in {path.parent}. Replace it?",
        buttons.Yes | buttons.No,
        buttons.No,
    )
    return bool(answer == buttons.Yes)
