"""The form that says what is exported: model, part, grid and data type."""

from __future__ import annotations

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QLabel, QSpinBox, QWidget

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import form_layout, row, text_label
from napari_emgauss._napari.controls.length_box import LengthBox
from napari_emgauss._napari.viewer.regions import IN_VIEW, RECTANGLE, REGIONS
from napari_emgauss._types import Triple

OTHER = "Other"
DTYPES = ("uint8", "uint16", "float32")
NARROW = "min-width: 56px"
"""napari's theme makes number boxes wider than a dock has room for."""
WIDTH = 12
EVEN_TIP = (
    "<p>Soften observed sections to what lies between, so that sharp and smooth planes do not take turns along z. "
    "Their finest detail is lost.</p>"
)


class PartForm(QWidget):
    """Choose a part of a model; ``changed`` tells that something differs. ``models`` is filled by the controller."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._filling = False
        self._n_sections = 0
        self.models = Chooser("The trained model to draw from.", width=WIDTH)
        self.region_choice = Chooser(
            "All of each section, what the viewer shows now, or a rectangle you draw.",
            [(name, name) for name in REGIONS],
            width=WIDTH,
        )
        self.first, self.last = _section_box("First section"), _section_box("Last section")
        self.grid_choice = Chooser("Distance between the centres of neighbouring voxels in the result.", width=WIDTH)
        self.voxel = [_nm_box(axis) for axis in "zyx"]
        self.dtype_choice = Chooser(
            "How each intensity is stored: 8 or 16 bit whole numbers, or 32 bit decimals.", width=WIDTH
        )
        self.conversion = text_label()
        self.even = QCheckBox("Even sharpness along z")
        self.even.setToolTip(EVEN_TIP)
        self._voxel_row = row(*self.voxel)
        self._form = form_layout(self)
        self._form.addRow("Model", self.models)
        self._form.addRow("Region", self.region_choice)
        self._form.addRow("Sections", row(self.first, QLabel("to"), self.last, stretch=True))
        self._form.addRow("Voxel size", self.grid_choice)
        self._form.addRow("", self._voxel_row)
        self._form.addRow("Data type", self.dtype_choice)
        self._form.addRow("", self.conversion)
        self._form.addRow("", self.even)
        for chooser in (self.region_choice, self.grid_choice, self.dtype_choice):
            chooser.changed.connect(self._edited)
        self.even.toggled.connect(self._edited)
        for section in (self.first, self.last):
            section.valueChanged.connect(self._edited)
        for box in self.voxel:
            box.valueChanged.connect(self._edited)

    @property
    def depends_on_view(self) -> bool:
        """Whether moving the camera changes the part."""
        return bool(self.region_choice.item == IN_VIEW)

    @property
    def depends_on_shapes(self) -> bool:
        """Whether drawing changes the part."""
        return bool(self.region_choice.item == RECTANGLE)

    @property
    def z_range(self) -> tuple[int, int]:
        """First and last section."""
        return self.first.value(), self.last.value()

    @property
    def voxel_size_nm(self) -> Triple | None:
        """Chosen grid, None for the isotropic one."""
        if self.grid_choice.item != OTHER:
            return None
        z, y, x = (float(box.value()) for box in self.voxel)
        return z, y, x

    @property
    def dtype(self) -> str | None:
        """Chosen type, None for the stack's."""
        dtype: str | None = self.dtype_choice.item
        return dtype

    def begin(self, *, n_sections: int, fine_nm: float, dtype: str) -> None:
        """Start from the sections, the isotropic grid and the type of another stack."""
        self._filling = True
        self.grid_choice.offer([(f"Isotropic: {fine_nm:g} nm", fine_nm), (OTHER, OTHER)])
        self.grid_choice.setCurrentIndex(0)
        for box in self.voxel:
            box.setValue(fine_nm)
        self.dtype_choice.offer([(f"As the stack ({dtype})", None), *((n, n) for n in DTYPES if n != dtype)])
        self.dtype_choice.setCurrentIndex(0)
        for end, section in ((self.first, 0), (self.last, n_sections - 1)):
            end.setRange(0, n_sections - 1)
            end.setValue(section)
        self._n_sections = n_sections
        self._filling = False
        self._edited()

    def clear(self) -> None:
        """Show that there is no model."""
        self._filling = True
        self.grid_choice.offer([])
        self.dtype_choice.offer([])
        self._n_sections = 0
        self._filling = False
        self._edited()

    def show_conversion(self, text: str) -> None:
        """Say how intensities are converted; '' if they are not."""
        self.conversion.setText(text)
        self._form.setRowVisible(self.conversion, bool(text))

    def _edited(self) -> None:
        if self._filling:
            return
        if self._n_sections:
            self._filling = True
            self.first.setRange(0, self._n_sections - 2)
            self.last.setRange(self.first.value() + 1, self._n_sections - 1)
            self._filling = False
        self._form.setRowVisible(self._voxel_row, self.grid_choice.item == OTHER)
        self.changed.emit()


def _section_box(name: str) -> QSpinBox:
    box = QSpinBox()
    box.setAccessibleName(name)
    box.setStyleSheet(NARROW)
    box.setToolTip("Observed sections, counted from 0 as in the viewer; both are part of the result.")
    return box


def _nm_box(axis: str) -> LengthBox:
    box = LengthBox(axis, least=0.001, suffix=" nm")
    box.setStyleSheet(NARROW)
    return box
