"""The form of Reconstruct: its parts from top to bottom."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import (
    align_labels,
    button,
    column,
    form_layout,
    text_label,
    timer,
    title,
)
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
JOB_TIP = (
    "<p>For what takes long or does not fit into memory: train in processes of their own, which hold one block at a "
    "time each and go on when napari is closed.</p>"
)


class ReconstructView(QWidget):
    """Stack, settings, run panel and next steps; they tell what the user does, and know no model and no session.

    Its parts, ``stack_part``, ``training_part`` and ``models``, may be placed elsewhere.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack = StackForm()
        self.check = CheckPanel()
        self.start_from = Chooser("Train a new model, or go on training one of this stack with its own settings.")
        self.settings = SettingsForm()
        self.costs = text_label()
        self.job_button = button("Run as a job…", JOB_TIP)
        self.panel = RunPanel(beside=self.job_button)
        self.next_steps = NextSteps()
        self.half_done = HalfDonePanel()
        self.models = ModelsPanel()
        self._start_row = QWidget()
        start_form = form_layout(self._start_row)
        start_form.addRow("Start from", self.start_from)
        align_labels(start_form)
        self.stack_part = column(title("Stack"), self.stack, self.check, self.half_done)
        self.training_title = title("Training")
        self.training_part = column(
            self.training_title,
            self.stack.trained_on,
            self._start_row,
            self.settings,
            self.costs,
            self.panel,
            self.next_steps,
            self.panel.curves,
        )
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        parts = (self.stack_part, self.training_part, self.models)
        outer.addWidget(VerticalScroll(column(*parts, margin_px=9, stretch=True)))
        self._reveal = timer(self, REVEAL_MS, self._show_panel, once=True)

    def show_editable(self, *, editable: bool) -> None:
        """Let everything be entered, or nothing while a training runs."""
        parts = (self.stack, self.stack.trained_on, self.check, self.settings, self._start_row, self.half_done)
        for widget in parts:
            widget.setEnabled(editable)
        for widget in (self.costs, self.job_button):
            widget.setVisible(editable)

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
        if not self.takes_key(event):
            super().keyPressEvent(event)

    def takes_key(self, event: Any) -> bool:
        """Train if the key is Ctrl+Enter; tell whether it is."""
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if not (is_enter and event.modifiers() & Qt.KeyboardModifier.ControlModifier):
            return False
        if self.panel.train_button.isEnabled():
            self.panel.train.emit()
        return True

    def reveal_panel(self) -> None:
        """Scroll to the run panel soon."""
        self._reveal.start()

    def _show_panel(self) -> None:
        around: Any = self.panel
        while around is not None and not isinstance(around, VerticalScroll):
            around = around.parentWidget()
        if around is not None:
            around.show_end()
