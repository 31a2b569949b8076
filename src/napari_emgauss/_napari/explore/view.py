"""The form of Explore z: its controls and their layout."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import button, row, text_label, title
from napari_emgauss._napari.controls.z_slider import ZSlider
from napari_emgauss._napari.explore.marks import SectionMarks

TIP = "Tint the section where a large absolute error is to be expected: red at twice the mean error."
NONE = (
    "This model has no map of its uncertainty: it is made at the end of a whole training, with at least three sections."
)


class ExploreView(QWidget):
    """Controls of a position along z; they tell what the user does, and know no model and no viewer."""

    moved = Signal(float)
    """To a section coordinate."""
    section_stepped = Signal(int)
    """To the next observed section, 1 or -1."""
    plane_stepped = Signal(int)
    """To the next plane of the isotropic volume, 1 or -1."""

    def __init__(self) -> None:
        super().__init__()
        self.models = Chooser("Reconstructions trained here, or opened from .emgauss files.", width=16)
        self.models.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.slider = ZSlider("Section coordinate: 0 is the first section, 1 the second, 0.5 half way between.")
        self.marks = SectionMarks(self.slider.groove)
        self.depth_label = QLabel()
        self.depth_label.setToolTip("Depth of the shown section below the first one.")
        self.status = text_label()
        self.uncertainty = QCheckBox("Show uncertainty")
        self.volume = button(
            "Show as isotropic volume",
            "Add the whole reconstruction as a layer with cubic voxels, drawn as you look at it: "
            "roll the axes to see it from the side. Nothing is stored; use 'Export isotropic' for that.",
        )
        self._lay_out()
        self.slider.valueChanged.connect(self.moved)
        self.marks.chosen.connect(self.moved.emit)
        self.play.toggled.connect(lambda playing: self.play.setText("Pause" if playing else "Play"))

    def _lay_out(self) -> None:
        self.controls = QWidget()
        form = QFormLayout()
        form.addRow("Model", self.models)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        inside = QVBoxLayout(self.controls)
        inside.setContentsMargins(0, 0, 0, 0)
        for widget in (title("Section"), self.slider, self.marks, self.depth_label):
            inside.addWidget(widget)
        inside.addLayout(self._steps())
        inside.addWidget(self.uncertainty)
        inside.addSpacing(6)
        inside.addWidget(title("Whole stack"))
        inside.addWidget(self.volume)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(9, 9, 9, 9)
        layout.addLayout(form)
        layout.addWidget(self.status)
        layout.addWidget(self.controls)
        layout.addStretch()

    def _steps(self) -> QVBoxLayout:
        """Buttons that step and play."""
        self.previous_section = _step_button("‹ Section", "Previous observed section", self.section_stepped, -1)
        self.previous_plane = _step_button("‹ Plane", "Previous plane of the isotropic volume", self.plane_stepped, -1)
        self.next_plane = _step_button("Plane ›", "Next plane of the isotropic volume", self.plane_stepped, 1)
        self.next_section = _step_button("Section ›", "Next observed section", self.section_stepped, 1)
        self.play = button("Play", "Move back and forth through the stack.")
        self.play.setCheckable(True)
        self.speed = QDoubleSpinBox()
        self.speed.setRange(0.1, 50)
        self.speed.setValue(1)
        self.speed.setDecimals(1)
        self.speed.setSuffix(" sections/s")
        self.speed.setAccessibleName("Speed of playing")
        self.speed.setToolTip("Speed of playing, in observed sections per second.")
        column = QVBoxLayout()
        column.addWidget(row(self.previous_section, self.previous_plane, self.next_plane, self.next_section))
        column.addWidget(row(self.play, self.speed))
        return column

    def enable(self, *, enabled: bool) -> None:
        """Take input, or not."""
        self.controls.setEnabled(enabled)
        self.models.setEnabled(enabled)

    def show_sections(self, n: int, *, step: float, held_out: Collection[int], left_out: Collection[int]) -> None:
        """Offer the coordinates of ``n`` sections, of which these are marked; arrow keys move by ``step``."""
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, n - 1)
        self.slider.step = step
        self.marks.set_sections(n, held_out=held_out, left_out=left_out)

    def show_position(self, z: float, text: str) -> None:
        """Show a section coordinate and its depth in words."""
        with QSignalBlocker(self.slider):
            self.slider.setValue(z)
        self.depth_label.setText(text)

    def show_status(self, text: str) -> None:
        """Say what to do, or nothing."""
        self.status.setText(text)
        self.status.setVisible(bool(text))

    def offer_uncertainty(self, *, offered: bool) -> None:
        """Let the uncertainty be switched on, or say why it cannot be."""
        self.uncertainty.setEnabled(offered)
        self.uncertainty.setToolTip(TIP if offered else NONE)
        self.uncertainty.setChecked(self.uncertainty.isChecked() and offered)


def _step_button(text: str, tip: str, stepped: Any, direction: int) -> QPushButton:
    made = button(text, tip)
    made.setAutoRepeat(True)
    made.setMinimumWidth(40)
    made.clicked.connect(lambda: stepped.emit(direction))
    return made
