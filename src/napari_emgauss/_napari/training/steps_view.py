"""The form of a dock that has all steps: a row of them, and below it the parts that they scroll to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_emgauss._napari.controls.scroll import VerticalScroll
from napari_emgauss._napari.training.run_panel import RunPanel
from napari_emgauss._napari.training.steps import Step, StepBar


class StepsView(QWidget):
    """Steps over a form that scrolls; it tells what the user does, and knows no session.

    Parameters
    ----------
    bar
        The row of steps.
    panel
        Where a training is begun and watched.
    """

    def __init__(self, bar: StepBar, panel: RunPanel) -> None:
        super().__init__()
        self.bar, self.panel = bar, panel
        self._parts: Mapping[Step, QWidget] = {}
        self._editable: Sequence[QWidget] = ()

    def lay_out(self, *widgets: QWidget, parts: Mapping[Step, QWidget], editable: Sequence[QWidget]) -> None:
        """Put everything in its place, once.

        Parameters
        ----------
        widgets
            From top to bottom.
        parts
            Where each step is.
        editable
            What is out of reach while a training runs.
        """
        self._parts, self._editable = parts, editable
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(9, 9, 9, 9)
        for widget in widgets:
            layout.addWidget(widget)
        layout.addStretch(1)
        self._scroll = VerticalScroll(inner)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.bar)
        outer.addWidget(self._scroll)

    def show_editable(self, *, editable: bool) -> None:
        """Let everything be entered, or nothing while a training runs."""
        for widget in self._editable:
            widget.setEnabled(editable)

    def show_step(self, step: Step) -> None:
        """Scroll to a step's part."""
        self.bar.show_step(step)
        self._scroll.show_part(self._parts[step])

    def reveal_panel(self) -> None:
        """Scroll to the run panel."""
        self._scroll.show_part(self.panel)
