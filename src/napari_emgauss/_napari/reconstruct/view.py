"""The form of Reconstruct: its parts from top to bottom."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import form_layout, text_label, timer, title
from napari_emgauss._napari.controls.scroll import VerticalScroll
from napari_emgauss._napari.reconstruct.half_done import HalfDonePanel
from napari_emgauss._napari.reconstruct.models.next_steps import NextSteps
from napari_emgauss._napari.reconstruct.models.panel import ModelsPanel
from napari_emgauss._napari.reconstruct.settings_form import SettingsForm
from napari_emgauss._napari.reconstruct.stack.check_panel import CheckPanel
from napari_emgauss._napari.reconstruct.stack.form import StackForm
from napari_emgauss._napari.training.run_panel import RunPanel

REVEAL_MS = 100
"""Time that the layout takes to follow what is shown and hidden."""


class ReconstructView(QWidget):
    """Stack, settings, run panel and next steps; they tell what the user does, and know no model and no session."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = StackForm()
        self.check = CheckPanel()
        self.start_from = Chooser("Train a new model, or go on training one of this stack with its own settings.")
        self.settings = SettingsForm()
        self.costs = text_label()
        self.panel = RunPanel()
        self.next_steps = NextSteps()
        self.half_done = HalfDonePanel()
        self.models = ModelsPanel()
        self._lay_out()
        self._reveal = timer(self, REVEAL_MS, self._scroll.show_end, once=True)

    def _lay_out(self) -> None:
        self._start_row = QWidget()
        form_layout(self._start_row).addRow("Start from", self.start_from)
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(9, 9, 9, 9)
        for widget in (
            title("Stack"),
            self.stack,
            self.check,
            title("Training"),
            self.half_done,
            self._start_row,
            self.settings,
            self.costs,
            self.panel,
            self.next_steps,
            self.panel.curves,
            self.models,
        ):
            layout.addWidget(widget)
        layout.addStretch(1)
        self._scroll = VerticalScroll(inner)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._scroll)

    def show_editable(self, *, editable: bool) -> None:
        """Let everything be entered, or nothing while a training runs."""
        for widget in (self.stack, self.check, self.settings, self.start_from, self.half_done):
            widget.setEnabled(editable)
        self.costs.setVisible(editable)

    def show_new(self, *, new: bool) -> None:
        """Let settings be entered that only a new model takes, or not."""
        for widget in (self.settings.preset, self.settings.advanced):
            widget.setEnabled(new)
        self.stack.allow_sections(allowed=new)

    def show_start_from(self, *, shown: bool) -> None:
        """Offer to go on from a model, or not."""
        self._start_row.setVisible(shown)

    def keyPressEvent(self, event: Any) -> None:
        """Train with Ctrl+Enter, wherever the focus is."""
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if is_enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier and self.panel.train_button.isEnabled():
            self.panel.train.emit()
        else:
            super().keyPressEvent(event)

    def reveal_panel(self) -> None:
        """Scroll to the run panel soon."""
        self._reveal.start()
