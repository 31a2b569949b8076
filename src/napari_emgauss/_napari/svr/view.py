"""The form of Slices to volume: its parts from top to bottom."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_emgauss._napari.controls.elements import timer, title
from napari_emgauss._napari.controls.pictures import Pictures
from napari_emgauss._napari.controls.scroll import VerticalScroll
from napari_emgauss._napari.svr.result.view import PLANES_PX, ResultView
from napari_emgauss._napari.svr.settings import SliceSettingsForm
from napari_emgauss._napari.svr.stacks.form import StacksForm
from napari_emgauss._napari.training.run_panel import RunPanel, TrainingWords

REVEAL_MS = 100
"""Time that the layout takes to follow what is shown and hidden."""
WORDS = TrainingWords(
    train="Reconstruct the volume in the background; you can go on working.",
    preparing="Preparing: reading the slices and aligning the stacks…",
    ending="Ending: the volume is made of what was learned…",
    loss="What the volume leaves unexplained of the slices",
)


class SlicesView(QWidget):
    """Stacks, settings, run panel, planes and result; they tell what the user does, and know no session."""

    def __init__(self) -> None:
        super().__init__()
        self.stacks = StacksForm()
        self.settings = SliceSettingsForm()
        self.panel = RunPanel(WORDS)
        self.planes = Pictures(
            3, height_px=PLANES_PX, tip="Three planes through the point that the viewer's sliders stand at."
        )
        self.result = ResultView()
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(9, 9, 9, 9)
        for widget in (
            title("Stacks"),
            self.stacks,
            title("Volume"),
            self.settings,
            self.panel,
            self.planes,
            self.result,
            self.panel.curves,
        ):
            layout.addWidget(widget)
        layout.addStretch(1)
        self._scroll = VerticalScroll(inner)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._scroll)
        self._reveal = timer(self, REVEAL_MS, lambda: self._scroll.show_part(self.panel), once=True)

    def show_editable(self, *, editable: bool) -> None:
        """Let everything be entered, or nothing while a training runs."""
        for widget in (self.stacks, self.settings):
            widget.setEnabled(editable)
        self.result.setEnabled(editable)

    def show_result(self) -> None:
        """Scroll to the result."""
        self._scroll.show_part(self.result)

    def reveal_panel(self) -> None:
        """Scroll to the run panel soon."""
        self._reveal.start()
