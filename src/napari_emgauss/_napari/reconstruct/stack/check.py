"""The look for damaged sections, between its panel and the chosen stack."""

from __future__ import annotations

from typing import Any

from napari_emgauss._napari.controls.notify import EXPLAINED, report
from napari_emgauss._napari.reconstruct.stack.check_panel import CheckPanel
from napari_emgauss._napari.reconstruct.stack.choice import StackChoice
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.sections import SectionQuality, inspect, left_out

MOST_LISTED = 4


class SectionCheck:
    """Inspection of the chosen stack off the GUI thread, with the offer to leave out what is damaged."""

    def __init__(self, panel: CheckPanel, stack: StackChoice) -> None:
        self._panel, self._stack = panel, stack
        self._layer: Any | None = None
        self._damaged: tuple[int, ...] = ()
        self._worker = Worker(panel, name="emgauss-sections")
        panel.wanted.connect(self.begin)
        panel.accepted.connect(self._leave_out)
        stack.changed.connect(self._stack_changed)

    def begin(self) -> None:
        """Inspect the stack."""
        try:
            volume = self._stack.volume()
        except EXPLAINED as error:
            report(error)
            return
        self._layer = self._stack.layer
        self._panel.show_text("Checking…")
        worker = self._worker
        worker.forget()
        worker.submit(lambda: inspect(volume, stop=lambda: worker.overtaken), done=self._show, failed=self._failed)

    def _show(self, qualities: tuple[SectionQuality, ...]) -> None:
        if self._stack.layer is self._layer:
            self._damaged = left_out(qualities)
            self._panel.offer(self._damaged)
            self._panel.show_text(describe_damage(qualities))

    def _failed(self, error: BaseException) -> None:
        self._panel.clear()
        report(error)

    def _leave_out(self) -> None:
        self._stack.form.enter_left_out(sorted({*self._stack.leave_out, *self._damaged}))
        self._panel.accept.hide()

    def _stack_changed(self) -> None:
        if self._layer is not None and self._stack.layer is not self._layer:
            self._layer = None
            self._worker.forget()
            self._panel.clear()


def describe_damage(qualities: tuple[SectionQuality, ...]) -> str:
    """Return a line for each of the first damaged sections."""
    suspects = [q for q in qualities if q.damage]
    if not suspects:
        return f"None of the {len(qualities)} sections stands out."
    lines = [f"Section {q.index}: {'; '.join(q.damage)}" for q in suspects[:MOST_LISTED]]
    if len(suspects) > MOST_LISTED:
        lines.append(f"and {len(suspects) - MOST_LISTED} more")
    return "\n".join(lines)
