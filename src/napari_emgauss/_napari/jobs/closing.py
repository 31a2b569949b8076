"""A question before the dock or the window of a job is closed that was begun here."""

from __future__ import annotations

from enum import Enum

from qtpy.QtWidgets import QMessageBox, QWidget


class Closing(Enum):
    """What becomes of a job."""

    GO_ON = "go on"
    STOP = "stop"
    STAY = "stay"
    """The dock is not closed."""


def ask_how_to_close(parent: QWidget, name: str) -> Closing:
    """Ask what becomes of the job of a name."""
    box = QMessageBox(
        QMessageBox.Icon.Question,
        "EMGauss",
        f"The job '{name}' is running. It can go on without napari; 'Open' shows it again. Or it stops now, keeps what "
        "is done, and is resumed later.",
        parent=parent,
    )
    go_on = box.addButton("Let it go on", QMessageBox.ButtonRole.AcceptRole)
    stop = box.addButton("Stop and keep", QMessageBox.ButtonRole.DestructiveRole)
    stay = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(go_on)
    box.setEscapeButton(stay)
    box.exec()
    clicked = box.clickedButton()
    return Closing.GO_ON if clicked is go_on else Closing.STOP if clicked is stop else Closing.STAY
