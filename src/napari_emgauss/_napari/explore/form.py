"""The form of Explore z: its controls and their layout."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from napari_emgauss._napari.explore.marks import SectionMarks


class ExploreForm(QWidget):
    """What the user sees; `ExploreWidget` gives it life."""

    def __init__(self) -> None:
        super().__init__()
        self.models = QComboBox()
        self.models.setToolTip("Reconstructions trained here, or opened from .emgauss files.")
        self.models.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.models.setMinimumContentsLength(16)
        self.models.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.slider.setDecimals(2)
        self.slider.setToolTip("Section coordinate: 0 is the first section, 1 the second, 0.5 half way between.")
        groove = next((s for s in self.slider.findChildren(QSlider)), self.slider)
        self.marks = SectionMarks(groove)
        self.depth_label = QLabel()
        self.depth_label.setToolTip("Depth of the shown section below the first one.")
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.uncertainty = QCheckBox("Show uncertainty")
        self.volume = QPushButton("Show as isotropic volume")
        self.volume.setToolTip(
            "Add the whole reconstruction as a layer with cubic voxels, drawn as you look at it: "
            "roll the axes to see it from the side. Nothing is stored; use 'Export isotropic' for that."
        )
        self.controls = QWidget()
        form = QFormLayout()
        form.addRow("Model", self.models)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        inside = QVBoxLayout(self.controls)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(_title("Section"))
        inside.addWidget(self.slider)
        inside.addWidget(self.marks)
        inside.addWidget(self.depth_label)
        inside.addLayout(self._steps())
        inside.addWidget(self.uncertainty)
        inside.addSpacing(6)
        inside.addWidget(_title("Whole stack"))
        inside.addWidget(self.volume)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(9, 9, 9, 9)
        layout.addLayout(form)
        layout.addWidget(self.status)
        layout.addWidget(self.controls)
        layout.addStretch()

    def _steps(self) -> QVBoxLayout:
        """Buttons that step and play."""
        self.previous_section = _button("‹ Section", "Previous observed section")
        self.next_section = _button("Section ›", "Next observed section")
        self.previous_plane = _button("‹ Plane", "Previous plane of the isotropic volume")
        self.next_plane = _button("Plane ›", "Next plane of the isotropic volume")
        self.play = QPushButton("Play")
        self.play.setCheckable(True)
        self.play.setToolTip("Move back and forth through the stack.")
        self.speed = QDoubleSpinBox()
        self.speed.setRange(0.1, 50)
        self.speed.setValue(1)
        self.speed.setDecimals(1)
        self.speed.setSuffix(" sections/s")
        self.speed.setToolTip("Speed of playing, in observed sections per second.")
        steps, playing = QHBoxLayout(), QHBoxLayout()
        for button in (self.previous_section, self.previous_plane, self.next_plane, self.next_section):
            steps.addWidget(button)
        playing.addWidget(self.play)
        playing.addWidget(self.speed)
        column = QVBoxLayout()
        column.addLayout(steps)
        column.addLayout(playing)
        return column


def _title(text: str) -> QLabel:
    label = QLabel(f"<b>{text}</b>")
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    return label


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAutoRepeat(True)
    button.setMinimumWidth(40)
    return button
