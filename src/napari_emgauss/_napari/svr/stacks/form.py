"""The form of the stacks: each with its mask and thickness."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, QSignalBlocker, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QFileDialog, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import button, form_layout, row, text_label
from napari_emgauss._napari.controls.length_box import LengthBox
from napari_emgauss._napari.controls.wheel import WheelGuard

WHOLE, DRAW = "Everything", "Draw one…"
INDENT_PX, THICKNESS_PX = 20, 68
MASK_TIP = "What belongs to the object: a labels layer on any grid. 'Draw one…' makes a layer to paint in."
THICKNESS_TIP = (
    "How thick a slice is, in mm, as the scanner's protocol states it. It is not the distance between slices: they may "
    "overlap or leave gaps."
)


class StackRow(QObject):
    """The fields of one stack, as they stand in the form."""

    edited = Signal()
    mask_wanted = Signal()
    """A mask is to be drawn."""
    thickness_entered = Signal(float)

    def __init__(self, parent: QWidget, name: str, *, ticked: bool, thickness_mm: float) -> None:
        super().__init__(parent)
        self.tick = QCheckBox(name)
        self.tick.setChecked(ticked)
        self.tick.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.mask = Chooser(MASK_TIP, width=6)
        self.thickness = LengthBox("", suffix=" mm")
        self.thickness.setPrefix("")
        self.thickness.setToolTip(THICKNESS_TIP)
        self.thickness.setValue(thickness_mm)
        self.thickness.setFixedWidth(THICKNESS_PX)
        self._fields = row(QLabel("Mask"), self.mask, QLabel("Thick"), self.thickness)
        fields = self._fields.layout()
        assert isinstance(fields, QHBoxLayout)
        fields.setContentsMargins(INDENT_PX, 0, 0, 4)
        fields.setStretch(1, 1)
        WheelGuard(self._fields)
        self.rename(name)
        self._enable()
        self.tick.toggled.connect(self._enable)
        self.tick.toggled.connect(self.edited)
        self.mask.changed.connect(self._mask_changed)
        self.thickness.valueChanged.connect(self.thickness_entered)
        self.thickness.valueChanged.connect(self.edited)

    @property
    def ticked(self) -> bool:
        """Whether the stack is used."""
        return self.tick.isChecked()

    def rename(self, name: str) -> None:
        """Show the stack's name."""
        self.tick.setText(name)
        self.tick.setToolTip(f"Use {name}.")

    def offer_masks(self, masks: Iterable[tuple[str, Any]], *, prefer: Any = None) -> None:
        """List the masks that can be chosen; ``prefer`` is chosen instead of none."""
        prefer = self.mask.item or prefer
        with QSignalBlocker(self.mask):
            self.mask.offer([(WHOLE, None), *masks, (DRAW, DRAW)], prefer=prefer)

    def _mask_changed(self) -> None:
        if self.mask.item == DRAW:
            self.mask_wanted.emit()
        else:
            self.edited.emit()

    def _enable(self) -> None:
        self._fields.setEnabled(self.ticked)

    @property
    def fields(self) -> QWidget:
        """Mask and thickness, side by side."""
        return self._fields


NONE_YET = (
    "No stacks yet. Open NIfTI files, drop them on the viewer, or try File › Open Sample › EMGauss › Slices of a "
    "moving brain."
)


class StacksForm(QWidget):
    """Rows of stacks; the owner adds and removes them, by keys of its own."""

    files_wanted = Signal(list)
    """Paths of files to open as stacks."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[Any, StackRow] = {}
        self._none = text_label(NONE_YET)
        self._table = QWidget()
        self._list = QVBoxLayout(self._table)
        self._list.setContentsMargins(0, 0, 0, 0)
        self._list.setSpacing(2)
        self.add_button = button("Open files…", "NIfTI files (.nii, .nii.gz): stacks, or masks of zeros and ones.")
        self.reference = Chooser(
            "The volume lies where the slices of this stack lie on average, and has its intensities. Take the one with "
            "the least motion."
        )
        self.reference_row = QWidget()
        form_layout(self.reference_row).addRow("Reference", self.reference)
        self.summary = text_label()
        self.warning = text_label()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            self._none,
            self._table,
            row(self.add_button, stretch=True),
            self.reference_row,
            self.summary,
            self.warning,
        ):
            layout.addWidget(widget)
        self.add_button.clicked.connect(self._ask_files)
        self._show_table()

    @property
    def rows(self) -> dict[Any, StackRow]:
        """Rows by their keys, in order."""
        return dict(self._rows)

    def add(self, key: Any, stack_row: StackRow) -> None:
        """Add a row at the end."""
        self._rows[key] = stack_row
        for widget in (stack_row.tick, stack_row.fields):
            self._list.addWidget(widget)
        self._show_table()

    def remove(self, key: Any) -> None:
        """Remove a row."""
        gone = self._rows.pop(key)
        for widget in (gone.tick, gone.fields):
            self._list.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        gone.deleteLater()
        self._show_table()

    def show_passed_over(self, why: str) -> None:
        """Say, while there is no stack, ``why`` an image layer is none; '' where there is no such layer."""
        self._none.setText(f"{NONE_YET}\n\nNot listed: {why}" if why else NONE_YET)

    def show_warning(self, text: str) -> None:
        """Show what should be looked at before training; '' for nothing."""
        self.warning.setText(f"⚠ {text}" if text else "")
        self.warning.setVisible(bool(text))

    def _show_table(self) -> None:
        self._none.setVisible(not self._rows)
        self._table.setVisible(bool(self._rows))
        self.reference_row.setVisible(len(self._rows) > 1)

    def _ask_files(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self, "Open stacks", "", "NIfTI (*.nii *.nii.gz);;All files (*)")
        if chosen:
            self.files_wanted.emit([Path(path) for path in chosen])
