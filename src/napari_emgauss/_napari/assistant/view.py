"""The dock of the assistant: a bar of steps, a line on what comes next, and the page of the step."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from napari_emgauss._napari.assistant.look_view import LookView
from napari_emgauss._napari.controls.elements import column
from napari_emgauss._napari.controls.scroll import VerticalScroll
from napari_emgauss._napari.export.view import ExportView
from napari_emgauss._napari.reconstruct.view import ReconstructView
from napari_emgauss._napari.training.steps import Step, StepBar

TIPS = {
    Step.STACK: "Which stack, and how large its voxels are.",
    Step.TRY: "Learn the part in view, to see what to expect.",
    Step.TRAIN: "Learn the whole stack.",
    Step.LOOK: "Before and after, and how far to trust it.",
    Step.EXPORT: "Make an isotropic layer or file.",
}
MARGIN_PX = 9


class AssistantView(QWidget):
    """Pages made of the parts of the other widgets; ``step_wanted`` tells which one a person chose."""

    step_wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.reconstruct, self.look, self.export = ReconstructView(), LookView(), ExportView()
        self.bar = StepBar(TIPS, guide="napari.md")
        self.bar.wanted.connect(self.step_wanted)
        self._pages = QStackedWidget()
        self._training_page = VerticalScroll(column(self.reconstruct.training_part, margin_px=MARGIN_PX, stretch=True))
        pages = {
            Step.STACK: VerticalScroll(
                column(self.reconstruct.stack_part, self.reconstruct.models, margin_px=MARGIN_PX, stretch=True)
            ),
            Step.TRY: self._training_page,
            Step.TRAIN: self._training_page,
            Step.LOOK: VerticalScroll(
                column(self.look, self.reconstruct.next_steps, margin_px=MARGIN_PX, stretch=True)
            ),
            Step.EXPORT: self.export,
        }
        self._page_of = pages
        for page in dict.fromkeys(pages.values()):
            self._pages.addWidget(page)
        self._lay_out()
        self.reconstruct.next_steps.leave_out("Export isotropic")
        self.reconstruct.stack.tells_problems = False  # the bar does
        self.show_step(Step.STACK)

    @property
    def step(self) -> Step:
        """The step that is shown."""
        return self.bar.step

    def _lay_out(self) -> None:
        self.reconstruct.setParent(self)
        self.reconstruct.hide()  # its parts are on the pages
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.bar)
        layout.addWidget(self._pages, 1)

    def show_step(self, step: Step) -> None:
        """Show the page of a step."""
        self.bar.show_step(step)
        self.reconstruct.training_title.setText(step.value if step in (Step.TRY, Step.TRAIN) else "Training")
        self._pages.setCurrentWidget(self._page_of[step])

    def keyPressEvent(self, event: Any) -> None:
        """Train with Ctrl+Enter in the steps that train."""
        if self.step not in (Step.TRY, Step.TRAIN) or not self.reconstruct.takes_key(event):
            super().keyPressEvent(event)
