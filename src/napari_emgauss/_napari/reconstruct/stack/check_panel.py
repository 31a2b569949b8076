"""Button and findings of the look for damaged sections."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_emgauss._napari.controls.elements import button, text_label
from napari_emgauss._napari.reconstruct.stack.indices import format_sections

MOST_NAMED = 8


class CheckPanel(QWidget):
    """Button that looks for damaged sections, findings, and button that leaves them out."""

    wanted = Signal()
    accepted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.button = button(
            "Check for damaged sections", "Compares every section with its neighbours; nothing is changed."
        )
        self.found = text_label()
        self.accept = button("Leave them out", "")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.button, self.found, self.accept):
            layout.addWidget(widget)
        self.clear()
        self.button.clicked.connect(self.wanted)
        self.accept.clicked.connect(self.accepted)

    def show_text(self, text: str) -> None:
        """Say what was found."""
        self.found.setText(text)
        self.found.show()

    def offer(self, indices: Sequence[int]) -> None:
        """Offer to leave these sections out, if there are any."""
        self.accept.setVisible(bool(indices))
        more = "…" if len(indices) > MOST_NAMED else ""
        self.accept.setText(f"Leave out {format_sections(indices[:MOST_NAMED])}{more}")

    def clear(self) -> None:
        """Show the button alone."""
        self.found.hide()
        self.accept.hide()
