"""What is exported: model, part, grid and data type."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLabel, QSpinBox, QWidget

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.length_box import LengthBox
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels
from napari_emgauss._napari.viewer.regions import region_in_view, region_of_rectangle
from napari_emgauss._types import Region, Triple
from napari_emgauss.errors import VolumeError
from napari_emgauss.resampling.planes import Planes

WHOLE, IN_VIEW, RECTANGLE = "Whole sections", "Part in view", "Rectangle of a Shapes layer"
OTHER = "Other"
DTYPES = ("uint8", "uint16", "float32")
NARROW = "min-width: 56px"
"""napari's theme makes number boxes wider than a dock has room for."""
NO_MODEL = "No model yet: train one in 'Reconstruct' or open a .emgauss file."


class PartForm(QWidget):
    """Choose a part of a model; ``changed`` tells that `part` may differ."""

    changed = Signal()

    def __init__(self, viewer: Any, models: OpenModels) -> None:
        super().__init__()
        self._viewer, self._models = viewer, models
        self._connections = Connections(self)
        self._filling = False
        self.model_choice = QComboBox()
        self.model_choice.setToolTip("The trained model to draw from.")
        self.region_choice = QComboBox()
        self.region_choice.addItems([WHOLE, IN_VIEW, RECTANGLE])
        self.region_choice.setToolTip("All of each section, what the viewer shows now, or a rectangle you draw.")
        self.first, self.last = _section_box(), _section_box()
        self.grid_choice = QComboBox()
        self.grid_choice.setToolTip("Distance between the centres of neighbouring voxels in the result.")
        self.voxel = [_nm_box(axis) for axis in "zyx"]
        self.dtype_choice = QComboBox()
        self.dtype_choice.setToolTip("How each intensity is stored: 8 or 16 bit whole numbers, or 32 bit decimals.")
        self.conversion = QLabel()
        self.conversion.setWordWrap(True)
        self._lay_out()
        self._watch()
        self.refresh()

    def _lay_out(self) -> None:
        self._form = form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model", self.model_choice)
        form.addRow("Region", self.region_choice)
        form.addRow("Sections", _row(self.first, QLabel("to"), self.last, stretch=True))
        form.addRow("Voxel size", self.grid_choice)
        self._voxel_row = _row(*self.voxel)
        form.addRow("", self._voxel_row)
        form.addRow("Data type", self.dtype_choice)
        form.addRow("", self.conversion)
        for choice in (self.model_choice, self.region_choice, self.grid_choice, self.dtype_choice):
            choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            choice.setMinimumContentsLength(12)

    def _watch(self) -> None:
        for signal in (self._models.added, self._models.removed):
            self._connections.connect(signal, self.refresh)
        self.model_choice.currentIndexChanged.connect(self._take_model)
        for choice in (self.region_choice, self.grid_choice, self.dtype_choice):
            choice.currentIndexChanged.connect(self._edited)
        for section in (self.first, self.last):
            section.valueChanged.connect(self._edited)
        for box in self.voxel:
            box.valueChanged.connect(self._edited)

    @property
    def model(self) -> OpenModel | None:
        """The chosen model, if there is one."""
        model: OpenModel | None = self.model_choice.currentData()
        return model

    @property
    def depends_on_view(self) -> bool:
        """Whether moving the camera changes the part."""
        return bool(self.region_choice.currentText() == IN_VIEW)

    @property
    def depends_on_shapes(self) -> bool:
        """Whether drawing changes the part."""
        return bool(self.region_choice.currentText() == RECTANGLE)

    def part(self) -> Planes:
        """The part as chosen.

        Raises
        ------
        VolumeError, ConfigError, SectionRangeError
            It is impossible; the message says why.
        """
        model = self.model
        if model is None:
            raise VolumeError(NO_MODEL)
        return Planes(
            model.reconstruction,
            self._voxel_size_nm(),
            region=self._region(model),
            z_range=(self.first.value(), self.last.value()),
            dtype=self.dtype_choice.currentData(),
        )

    def choose(self, model: OpenModel) -> None:
        """Select ``model`` if it is listed."""
        for i in range(self.model_choice.count()):
            if self.model_choice.itemData(i) is model:
                self.model_choice.setCurrentIndex(i)

    def refresh(self, newest: Any = None) -> None:
        """List the open models; one that was just added is chosen."""
        before = self.model
        self._filling = True
        self.model_choice.clear()
        for model in self._models:
            self.model_choice.addItem(model.name, model)
        listed = [self.model_choice.itemData(i) for i in range(self.model_choice.count())]
        wanted = next((i for m in (newest, before) for i, known in enumerate(listed) if known is m), len(listed) - 1)
        self.model_choice.setCurrentIndex(wanted)
        self._filling = False
        if self.model is not before or before is None:
            self._take_model()

    def _region(self, model: OpenModel) -> Region | None:
        if self.depends_on_view:
            return region_in_view(self._viewer, model.reconstruction, model.placement.nm_per_unit)
        if self.depends_on_shapes:
            return region_of_rectangle(self._viewer, model.reconstruction, model.placement.nm_per_unit)
        return None

    def _voxel_size_nm(self) -> Triple | None:
        if self.grid_choice.currentText() != OTHER:
            return None
        z, y, x = (float(box.value()) for box in self.voxel)
        return z, y, x

    def _take_model(self) -> None:
        """Start from the model's own grid, sections and type."""
        if self._filling:
            return
        self._filling = True
        self.grid_choice.clear()
        self.dtype_choice.clear()
        model = self.model
        self.setEnabled(model is not None)
        if model is not None:
            rec = model.reconstruction
            fine = min(rec.voxel_size_nm[1:])
            self.grid_choice.addItems([f"Isotropic: {fine:g} nm", OTHER])
            for box in self.voxel:
                box.setValue(fine)
            self.dtype_choice.addItem(f"As the stack ({rec.dtype.name})", None)
            for name in DTYPES:
                if name != rec.dtype.name:
                    self.dtype_choice.addItem(name, name)
            for end, section in ((self.first, 0), (self.last, rec.shape[0] - 1)):
                end.setRange(0, rec.shape[0] - 1)
                end.setValue(section)
        self._filling = False
        self._edited()

    def _edited(self) -> None:
        if self._filling:
            return
        self._filling = True
        if self.model is not None:
            n = self.model.reconstruction.shape[0]
            self.first.setRange(0, n - 2)
            self.last.setRange(self.first.value() + 1, n - 1)
        self._filling = False
        self._form.setRowVisible(self._voxel_row, self.grid_choice.currentText() == OTHER)
        self._form.setRowVisible(self.conversion, self.dtype_choice.currentData() is not None)
        if self.model is not None and self.dtype_choice.currentData() is not None:
            converted = Planes(self.model.reconstruction, dtype=self.dtype_choice.currentData()).conversion
            self.conversion.setText(converted.describe())
        self.changed.emit()


def _row(*widgets: QWidget, stretch: bool = False) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    if stretch:
        layout.addStretch(1)
    return row


def _section_box() -> QSpinBox:
    box = QSpinBox()
    box.setStyleSheet(NARROW)
    box.setToolTip("Observed sections, counted from 0 as in the viewer; both are part of the result.")
    return box


def _nm_box(axis: str) -> LengthBox:
    box = LengthBox(axis, least=0.001, suffix=" nm")
    box.setStyleSheet(NARROW)
    return box
