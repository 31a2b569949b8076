"""Buttons for a trained model: look at it, save it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFileDialog, QGridLayout, QLabel, QMenu, QWidget

from napari_emgauss._napari.controls.elements import button
from napari_emgauss._napari.controls.replacing import may_replace

SUFFIX = ".emgauss"
WIDGETS = {
    "Explore z": "Scrub through the depths between the sections.",
    "Compare": "See it beside plain interpolation, with scores on held-out sections.",
    "Export isotropic": "Make an isotropic layer or file.",
}


SAVE_TIP = "Keep it in a file (.emgauss) to open again or train further."
DRAFT_TIP = (
    "A draft is drawn by interpolation where nothing is trained yet, so there is no model to {}. "
    "'Stop and keep' makes one."
)


class NextSteps(QWidget):
    """Buttons that open the other widgets and save a model; hidden at first, by itself it would be a window."""

    opened = Signal(str)
    """With the name of a widget."""
    save_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._grid = layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._next = QLabel("Next:")
        layout.addWidget(self._next, 0, 0, 1, 2)
        self.buttons = {}
        for i, (name, tip) in enumerate(WIDGETS.items()):
            self.buttons[name] = button(name, tip)
            self.buttons[name].clicked.connect(lambda _=False, name=name: self.opened.emit(name))
            layout.addWidget(self.buttons[name], 1 + i // 2, i % 2)
        self.save_button = button("Save model…", SAVE_TIP)
        self.save_button.clicked.connect(self.save_wanted)
        layout.addWidget(self.save_button, 2, 1)
        self.hide()

    def leave_out(self, name: str) -> None:
        """Show no button for a widget that is the next step anyhow, and do not call the others that."""
        self.buttons[name].hide()
        self._grid.addWidget(self.save_button, 2, 0, 1, 2)
        self._next.setText("More:")

    def offer_models(self, *, offered: bool) -> None:
        """Offer what takes a model, or say why a draft will not do."""
        compare = self.buttons["Compare"]
        for widget, tip, verb in ((self.save_button, SAVE_TIP, "save"), (compare, WIDGETS["Compare"], "compare")):
            widget.setEnabled(offered)
            widget.setToolTip(tip if offered else DRAFT_TIP.format(verb))

    def offer(self, entries: Iterable[tuple[str, Callable[[], None]]]) -> None:
        """Open a menu at the save button."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name, chosen in entries:
            menu.addAction(name, lambda *_, chosen=chosen: chosen())
        menu.popup(self.save_button.mapToGlobal(self.save_button.rect().bottomLeft()))

    def ask_path(self, name: str) -> Path | None:
        """Ask for the file of the model ``name``; None if it is not to be saved."""
        typed, _ = QFileDialog.getSaveFileName(self, "Save model", name + SUFFIX, f"EMGauss model (*{SUFFIX})")
        if not typed:
            return None
        path = Path(typed if typed.endswith(SUFFIX) else f"{typed}{SUFFIX}")
        # The dialog has asked about the name as it was typed.
        return path if str(path) == typed or may_replace(self, path) else None
