"""Find damaged sections and offer to leave them out."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.notify import EXPLAINED, report
from napari_emgauss._napari.reconstruct.stack_form import StackForm, format_sections
from napari_emgauss._napari.workers.background import Background
from napari_emgauss.sections import SectionQuality, inspect, left_out

MOST_LISTED = 4


class SectionCheck(QWidget):
    """A button that inspects the chosen stack, and what it found."""

    def __init__(self, stack: StackForm) -> None:
        super().__init__()
        self._stack = stack
        self._layer: Any | None = None
        self._suggested: tuple[int, ...] = ()
        self._background = Background(self, name="emgauss-sections")
        self.button = QPushButton("Check for damaged sections")
        self.button.setToolTip("Compares every section with its neighbours; nothing is changed.")
        self.found = QLabel()
        self.found.setWordWrap(True)
        self.accept = QPushButton("Leave them out")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.button, self.found, self.accept):
            layout.addWidget(widget)
        self.found.hide()
        self.accept.hide()
        self.button.clicked.connect(self.check)
        self.accept.clicked.connect(self._leave_out)
        stack.changed.connect(self._stack_changed)

    def check(self) -> None:
        """Inspect the stack in the background."""
        try:
            volume = self._stack.volume()
        except EXPLAINED as error:
            report(error)
            return
        self._layer = self._stack.layer
        self._say("Checking…")
        background = self._background
        background.submit(lambda: inspect(volume, stop=lambda: background.closed), done=self._show, failed=self._failed)

    def _show(self, qualities: tuple[SectionQuality, ...]) -> None:
        if self._stack.layer is not self._layer:
            return
        suspects = [q for q in qualities if q.damage]
        self._suggested = left_out(qualities)
        self.accept.setVisible(bool(self._suggested))
        self.accept.setText("Leave out " + format_sections(self._suggested[:8]) + "…" * (len(self._suggested) > 8))
        if not suspects:
            self._say(f"None of the {len(qualities)} sections stands out.")
            return
        lines = [f"Section {q.index}: {'; '.join(q.damage)}" for q in suspects[:MOST_LISTED]]
        if len(suspects) > MOST_LISTED:
            lines.append(f"and {len(suspects) - MOST_LISTED} more")
        self._say("\n".join(lines))

    def _failed(self, error: BaseException) -> None:
        self.found.hide()
        report(error)

    def _leave_out(self) -> None:
        both = sorted({*self._stack.leave_out, *self._suggested})
        self._stack.leave_out_edit.setText(format_sections(tuple(both)))
        self.accept.hide()
        self._stack.leave_out_edit.editingFinished.emit()

    def _stack_changed(self) -> None:
        if self._layer is not None and self._stack.layer is not self._layer:
            self._layer = None
            self._background.forget()
            self.found.hide()
            self.accept.hide()

    def _say(self, text: str) -> None:
        self.found.setText(text)
        self.found.show()
