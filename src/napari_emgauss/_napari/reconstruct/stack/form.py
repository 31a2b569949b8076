"""The form of the stack: layer, voxel size, part, sections left out and held out."""

from __future__ import annotations

from collections.abc import Collection

from qtpy.QtCore import QSignalBlocker, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QLabel, QLineEdit, QWidget

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import align_labels, form_layout, row, text_label
from napari_emgauss._napari.controls.length_box import LengthBox
from napari_emgauss._napari.reconstruct.stack.indices import format_sections
from napari_emgauss._napari.viewer.regions import REGIONS
from napari_emgauss._types import Triple

HOLD_OUT = {"None: train on every section": 0, "Every 4th section": 4, "Every 8th section": 8}


class StackForm(QWidget):
    """Fields that describe a stack; ``edited`` tells that one other than the layer was changed."""

    edited = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.layers = Chooser("The image layer with your stack: grey-level sections along z.")
        self.voxel = [LengthBox("z", tip=" (distance between sections)"), LengthBox("y"), LengthBox("x")]
        self.part = Chooser(
            "Train on a part for a quick try: what the viewer shows now, or a rectangle you draw.",
            [(part, part) for part in REGIONS],
        )
        self.leave_out_edit = QLineEdit()
        self.leave_out_edit.setPlaceholderText("none; for example 3, 7-9")
        self.leave_out_edit.setToolTip(
            "Damaged sections, counted from 0. They are ignored in training and reconstructed from their neighbours."
        )
        self.hold_out_choice = Chooser(
            "Keep some sections from the training and compare them with what is reconstructed there: an honest check "
            "on your own stack. Train on all sections for the final result.",
            HOLD_OUT.items(),
        )
        self.summary = text_label()
        self.tells_problems = True
        """Whether what is wrong with the stack is said here."""
        self.trained_on = QWidget()
        """What of the stack is trained on; placed by the owner."""
        self._lay_out()
        for box in self.voxel:
            box.setMinimumWidth(64)
            box.valueChanged.connect(self.edited)
        for choice in (self.part, self.hold_out_choice):
            choice.changed.connect(self.edited)
        self.leave_out_edit.editingFinished.connect(self.edited)

    def _lay_out(self) -> None:
        form = form_layout(self)
        form.addRow("Stack", self.layers)
        form.addRow(QLabel("Voxel size in nm:"))
        form.addRow(row(*self.voxel))
        form.addRow(self.summary)
        form.addRow("Leave out", self.leave_out_edit)
        trained_on = form_layout(self.trained_on)
        trained_on.addRow("Train on", self.part)
        trained_on.addRow("Hold out", self.hold_out_choice)
        align_labels(form, trained_on)

    def show_summary(self, text: str, *, is_problem: bool) -> None:
        """Say what the stack is, or what is wrong with it unless that is said elsewhere."""
        self.summary.setText("" if is_problem and not self.tells_problems else text)
        self.summary.setVisible(bool(self.summary.text()))

    def show_voxel_size(self, voxel_size_nm: Triple | None) -> None:
        """Show a layer's voxel size; the fields are to be filled where it is unknown."""
        for box, value in zip(self.voxel, voxel_size_nm or (0.0, 0.0, 0.0), strict=True):
            with QSignalBlocker(box):
                box.setValue(value)

    def enter_left_out(self, indices: Collection[int]) -> None:
        """Enter the sections to leave out."""
        self.leave_out_edit.setText(format_sections(indices))
        self.edited.emit()

    def allow_sections(self, *, allowed: bool) -> None:
        """Let sections be left out and held out, or not."""
        self.leave_out_edit.setEnabled(allowed)
        self.hold_out_choice.setEnabled(allowed)
