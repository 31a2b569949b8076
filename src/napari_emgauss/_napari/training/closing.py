"""A question before a training ends with its dock or the window."""

from __future__ import annotations

from qtpy.QtWidgets import QMessageBox, QWidget


def may_close(parent: QWidget, name: str, found_again: str) -> bool:
    """Ask whether the training of ``name`` may end; ``found_again`` says how it can be gone on with."""
    buttons = QMessageBox.StandardButton
    question = (
        f"The training of '{name}' has not ended. Closing ends it now. What was learned so far is kept as half-done, "
        f"{found_again} Close it?"
    )
    answer = QMessageBox.question(parent, "EMGauss", question, buttons.Yes | buttons.No, buttons.No)
    return bool(answer == buttons.Yes)
