"""The steps from what was measured to what is kept, the same in every dock that has them all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum

from qtpy.QtCore import QUrl, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QButtonGroup, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.elements import button, row, text_label

GUIDES = "https://github.com/napari-emgauss/napari-emgauss/blob/main/docs/guide/"
BAR_STYLE = "QPushButton { padding: 4px 2px; }"
HELP_PX = 24


class Step(Enum):
    """A step, by its name on the screen."""

    STACK = "Stack"
    TRY = "Try a part"
    TRAIN = "Train"
    LOOK = "Look"
    EXPORT = "Export"


@dataclass(frozen=True, kw_only=True)
class StepWords:
    """What steps are called, and the lines on what comes next."""

    tips: Mapping[Step, str]
    """What is done in each step."""
    names: Mapping[Step, str] = field(default_factory=dict)
    """Names of steps that are called otherwise than by `Step`."""
    to_open: str
    """Next, where there is nothing to train on."""
    to_train: str
    """Next, where there is."""
    learning: str
    to_export: str
    """Next, after a look."""
    export: str

    def next_from(self, step: Step, *, can_train: bool, training: bool) -> str:
        """Say in a line what to do in a step, or after it."""
        if training:
            return self.learning
        if step in (Step.LOOK, Step.EXPORT):
            return self.to_export if step is Step.LOOK else self.export
        if not can_train:
            return self.to_open
        return self.to_train if step is Step.STACK else "Press Train; you can go on working."


def opened_steps(*, can_train: bool, training: bool, has_result: bool) -> set[Step]:
    """Return the steps that make sense now."""
    steps = {Step.STACK}
    if can_train or training:
        steps |= {Step.TRY, Step.TRAIN}
    if training or has_result:
        steps |= {Step.LOOK}
    return steps | {Step.EXPORT} if has_result else steps


class StepBar(QWidget):
    """A button for each step, one for help, and a line on what comes next; ``wanted`` tells which a person chose.

    Parameters
    ----------
    tips
        What is done in each step.
    guide
        File name of the page that tells more.
    names
        Names of steps that are called otherwise than by `Step`.
    """

    wanted = Signal(object)

    def __init__(self, tips: Mapping[Step, str], *, guide: str, names: Mapping[Step, str] | None = None) -> None:
        super().__init__()
        self.next = text_label()
        self.next.setAccessibleName("What comes next")
        self.buttons = {step: self._button((names or {}).get(step, step.value), step, tips[step]) for step in Step}
        self.help_button = button("?", "Open the guide in a browser.")
        self.help_button.setAccessibleName("Help")
        self.help_button.setFixedWidth(HELP_PX)
        self.help_button.clicked.connect(lambda: QDesktopServices.openUrl(QUrl(GUIDES + guide)))
        group = QButtonGroup(self)
        for made in self.buttons.values():
            group.addButton(made)
        bar = row(*self.buttons.values(), self.help_button)
        bar.setStyleSheet(BAR_STYLE)
        bar_layout = bar.layout()
        assert bar_layout is not None
        bar_layout.setSpacing(2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(9, 9, 9, 9)
        layout.addWidget(bar)
        layout.addWidget(self.next)
        self.step = Step.STACK
        """The step that is shown."""
        self.show_step(Step.STACK)

    def _button(self, name: str, step: Step, tip: str) -> QPushButton:
        made = button(name, tip)
        made.setCheckable(True)
        made.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Fixed)
        made.clicked.connect(lambda: self.wanted.emit(step))
        return made

    def show_step(self, step: Step) -> None:
        """Mark a step."""
        self.step = step
        self.buttons[step].setChecked(True)

    def show_training(self) -> None:
        """Mark the step of a training that begins."""
        if self.step not in (Step.TRY, Step.TRAIN):
            self.show_step(Step.TRAIN)

    def show_next(self, text: str, *, opened: Collection[Step]) -> None:
        """Say what comes next, and let these steps be chosen."""
        self.next.setText(text)
        for step, made in self.buttons.items():
            made.setEnabled(step in opened)

    def show_state(self, words: StepWords, *, can_train: bool, training: bool, has_result: bool) -> None:
        """Let the steps be chosen that make sense now, be at one of them, and say what comes next."""
        opened = opened_steps(can_train=can_train, training=training, has_result=has_result)
        if self.step not in opened:
            self.show_step(Step.STACK)
        self.show_next(words.next_from(self.step, can_train=can_train, training=training), opened=opened)
