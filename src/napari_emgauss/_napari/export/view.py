"""The view of Export: what, where to, and how far it is."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.elements import button, text_label, title
from napari_emgauss._napari.export.part_form import PartForm
from napari_emgauss._napari.export.target_form import TargetForm

SPACING_PX = 6


class ExportView(QWidget):
    """Everything in the dock. ``exported`` tells that an export has come to its end."""

    exported = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.part_form, self.target_form = PartForm(), TargetForm()
        self.summary, self.status = text_label(), text_label()
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = QProgressBar()
        self.cancel_button = button("Cancel", "Stop; no file is left behind.")
        self.export_button = button("Export", "Draw every plane in the background; you can go on working.")
        progress = QHBoxLayout()
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(9, 9, 9, 9)
        for widget in (title("What"), self.part_form, title("Where to"), self.target_form, self.summary):
            layout.addWidget(widget)
        layout.insertSpacing(4, SPACING_PX)
        layout.insertSpacing(2, SPACING_PX)
        layout.addLayout(progress)
        layout.addWidget(self.export_button)
        layout.addWidget(self.status)
        layout.addStretch(1)

    def show_summary(self, text: str, *, ready: bool) -> None:
        """Say what will come, or what is missing before it is ``ready``."""
        self.summary.setText(text)
        self.export_button.setEnabled(ready)

    def show_running(self, total: int) -> None:
        """Show that an export of so many planes has begun."""
        self._set_running(running=True)
        self.bar.setRange(0, total)
        self.bar.setValue(0)
        self.status.setText("Drawing planes…")

    def show_progress(self, done: int, text: str) -> None:
        """Show how many planes are done; ``text`` says it in words."""
        self.bar.setValue(done)
        if text:
            self.status.setText(text)

    def show_cancelling(self) -> None:
        """Show that the export is about to stop."""
        self.cancel_button.setEnabled(False)
        self.status.setText("Cancelling…")

    def show_idle(self, text: str, *, has_model: bool) -> None:
        """Show that no export runs; ``text`` says how the last one ended."""
        self._set_running(running=False)
        self.part_form.setEnabled(has_model)
        self.status.setText(text)

    def _set_running(self, *, running: bool) -> None:
        self.part_form.setEnabled(not running)
        self.target_form.setEnabled(not running)
        self.export_button.setVisible(not running)
        self.cancel_button.setEnabled(running)
        for widget in (self.bar, self.cancel_button):
            widget.setVisible(running)
