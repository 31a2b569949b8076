"""The dock of the assistant: a bar of steps, a line on what comes next, and the page of the step."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QButtonGroup, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from napari_emgauss._napari.assistant.look_view import LookView
from napari_emgauss._napari.assistant.steps import Step
from napari_emgauss._napari.controls.elements import button, column, row, text_label
from napari_emgauss._napari.controls.scroll import VerticalScroll
from napari_emgauss._napari.export.view import ExportView
from napari_emgauss._napari.reconstruct.view import ReconstructView

TIPS = {
    Step.STACK: "Which stack, and how large its voxels are.",
    Step.TRY: "Learn the part in view, to see what to expect.",
    Step.TRAIN: "Learn the whole stack.",
    Step.LOOK: "Before and after, and how far to trust it.",
    Step.EXPORT: "Make an isotropic layer or file.",
}
BAR_STYLE = "QPushButton { padding: 4px 2px; }"
MARGIN_PX, HELP_PX = 9, 24


class AssistantView(QWidget):
    """Pages made of the parts of the other widgets; ``step_wanted`` tells which one a person chose."""

    step_wanted = Signal(object)
    help_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.reconstruct, self.look, self.export = ReconstructView(), LookView(), ExportView()
        self.next = text_label()
        self.next.setAccessibleName("What comes next")
        self.buttons = {step: self._step_button(step) for step in Step}
        self.help_button = button("?", "Open the guide in a browser.")
        self.help_button.setAccessibleName("Help")
        self.help_button.setFixedWidth(HELP_PX)
        self.help_button.clicked.connect(lambda: self.help_wanted.emit())
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
        self.step = Step.STACK
        """The step that is shown."""
        self.show_step(Step.STACK)

    def _step_button(self, step: Step) -> Any:
        made = button(step.value, TIPS[step])
        made.setCheckable(True)
        made.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Fixed)
        made.clicked.connect(lambda: self.step_wanted.emit(step))
        return made

    def _lay_out(self) -> None:
        group = QButtonGroup(self)
        for made in self.buttons.values():
            group.addButton(made)
        bar = row(*self.buttons.values(), self.help_button)
        bar.setStyleSheet(BAR_STYLE)
        bar_layout = bar.layout()
        assert bar_layout is not None
        bar_layout.setSpacing(2)
        head = column(bar, self.next, margin_px=MARGIN_PX)
        self.reconstruct.setParent(self)
        self.reconstruct.hide()  # its parts are on the pages
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(head)
        layout.addWidget(self._pages, 1)

    def show_step(self, step: Step) -> None:
        """Show the page of a step."""
        self.step = step
        self.buttons[step].setChecked(True)
        self.reconstruct.training_title.setText(step.value if step in (Step.TRY, Step.TRAIN) else "Training")
        self._pages.setCurrentWidget(self._page_of[step])

    def show_next(self, text: str, *, opened: Collection[Step]) -> None:
        """Say what comes next, and let these steps be chosen."""
        self.next.setText(text)
        for step, made in self.buttons.items():
            made.setEnabled(step in opened)

    def keyPressEvent(self, event: Any) -> None:
        """Train with Ctrl+Enter in the steps that train."""
        if self.step not in (Step.TRY, Step.TRAIN) or not self.reconstruct.takes_key(event):
            super().keyPressEvent(event)
