"""Which stack is trained on: layer, voxel size, part, sections left out and held out."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLabel, QLineEdit, QWidget

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.length_box import LengthBox
from napari_emgauss._napari.controls.notify import message_of
from napari_emgauss._napari.viewer.layers import LayerPlacement, same_view, stack_of
from napari_emgauss._napari.viewer.part_watch import PartWatch
from napari_emgauss._napari.viewer.regions import region_in_view, region_of_rectangle
from napari_emgauss._types import Region, Triple
from napari_emgauss.errors import ConfigError, VolumeError, VoxelSizeError
from napari_emgauss.volume import Volume

WHOLE, IN_VIEW, RECTANGLE = "Whole sections", "Part in view", "Rectangle of a Shapes layer"
HOLD_OUT = {"None: train on every section": 0, "Every 4th section": 4, "Every 8th section": 8}
SETTLED_MS = 200
"""Rest after the view or a drawing changed before the part is looked at again."""
ASK_VOXEL_SIZE = "Enter the voxel size: the distance between sections (z) and between pixels (y, x)."


def parse_sections(text: str) -> tuple[int, ...]:
    """Indices from text like ``3, 7-9``.

    Raises
    ------
    ConfigError
        Anything else.
    """
    indices: set[int] = set()
    for part in text.replace(";", ",").split(","):
        ends = [end.strip() for end in part.split("-")]
        if ends == [""]:
            continue
        if len(ends) > 2 or not all(end.isdigit() for end in ends) or int(ends[0]) > int(ends[-1]):
            raise ConfigError(f"sections to leave out must be like '3, 7-9', got {part.strip()!r}.")
        if int(ends[-1]) > 1_000_000:
            raise ConfigError(f"section {ends[-1]} is beyond any stack. Sections are counted from 0.")
        indices.update(range(int(ends[0]), int(ends[-1]) + 1))
    return tuple(sorted(indices))


def format_sections(indices: tuple[int, ...]) -> str:
    """Inverse of `parse_sections`."""
    return ", ".join(str(i) for i in indices)


class StackForm(QWidget):
    """Choose a stack; ``changed`` tells that `volume` may differ."""

    changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._connections = Connections(self)
        self._named: list[Any] = []
        self._filling = False
        self.layers = QComboBox()
        self.layers.setToolTip("The image layer with your stack: grey-level sections along z.")
        self.voxel = [_nm_box(axis) for axis in ("z", "y", "x")]
        self.part = QComboBox()
        self.part.addItems([WHOLE, IN_VIEW, RECTANGLE])
        self.part.setToolTip("Train on a part for a quick try: what the viewer shows now, or a rectangle you draw.")
        self.leave_out_edit = QLineEdit()
        self.leave_out_edit.setPlaceholderText("none; for example 3, 7-9")
        self.leave_out_edit.setToolTip(
            "Damaged sections, counted from 0. They are ignored in training and reconstructed from their neighbours."
        )
        self.hold_out_choice = QComboBox()
        self.hold_out_choice.addItems(list(HOLD_OUT))
        self.hold_out_choice.setToolTip(
            "Keep some sections from the training and compare them with what is reconstructed there: an honest check "
            "on your own stack. Train on all sections for the final result."
        )
        self.summary = QLabel()
        self.summary.setWordWrap(True)
        for choice in (self.layers, self.part, self.hold_out_choice):
            narrow(choice)
        self._lay_out()
        self._watch()
        self.refresh()

    def _lay_out(self) -> None:
        voxel = QWidget()
        row = QHBoxLayout(voxel)
        row.setContentsMargins(0, 0, 0, 0)
        for box in self.voxel:
            row.addWidget(box)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Stack", self.layers)
        form.addRow(QLabel("Voxel size in nm:"))
        form.addRow(voxel)
        form.addRow(self.summary)
        form.addRow("Train on", self.part)
        form.addRow("Leave out", self.leave_out_edit)
        form.addRow("Hold out", self.hold_out_choice)

    def _watch(self) -> None:
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            self._connections.connect(event, self.refresh)
        self.layers.currentIndexChanged.connect(self._take_layer)
        for box in self.voxel:
            box.valueChanged.connect(self._edited)
        self.part.currentIndexChanged.connect(self._edited)
        self.leave_out_edit.editingFinished.connect(self._edited)
        self.hold_out_choice.currentIndexChanged.connect(self._edited)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLED_MS)
        self._settle.timeout.connect(self._edited)
        PartWatch(
            self._connections,
            self._viewer,
            view_moved=lambda: self._part_changed(IN_VIEW),
            shapes_changed=lambda: self._part_changed(RECTANGLE),
        )

    @property
    def layer(self) -> Any | None:
        """The chosen layer, if there is one."""
        return self.layers.currentData()

    @property
    def voxel_size_nm(self) -> Triple:
        """Voxel size as entered.

        Raises
        ------
        VoxelSizeError
            Something is missing.
        """
        z, y, x = (box.value() for box in self.voxel)
        if not (z and y and x):
            raise VoxelSizeError(ASK_VOXEL_SIZE)
        return z, y, x

    @property
    def leave_out(self) -> tuple[int, ...]:
        """Sections to ignore."""
        return parse_sections(self.leave_out_edit.text())

    @property
    def hold_out(self) -> tuple[int, ...]:
        """Sections to keep for validation: every k-th between the ends, none beside a section left out."""
        every = HOLD_OUT[self.hold_out_choice.currentText()]
        if not every or self.layer is None:
            return ()
        n, left_out = _n_sections(self.layer), set(self.leave_out)
        chosen = range(every // 2, n - 1, every)
        return tuple(i for i in chosen if not left_out & {i - 1, i, i + 1})

    def volume(self) -> Volume:
        """The stack as chosen, read on demand.

        Raises
        ------
        VolumeError
            No layer, or one that cannot be used; the message says why.
        """
        if self.layer is None:
            raise VolumeError("open a stack first: drop a file on the viewer, or File > Open Sample > EMGauss.")
        return stack_of(self.layer, voxel_size_nm=self.voxel_size_nm, region=self.region())

    def region(self) -> Region | None:
        """Pixels (y0, y1, x0, x1) to train on, None for all.

        Raises
        ------
        VolumeError
            There is no rectangle, or it misses the stack.
        """
        if self.part.currentText() == WHOLE or self.layer is None:
            return None
        whole = stack_of(self.layer, voxel_size_nm=self.voxel_size_nm)
        z, y, x = (v / float(s) for v, s in zip(self.voxel_size_nm, self.layer.scale, strict=True))
        find = region_in_view if self.part.currentText() == IN_VIEW else region_of_rectangle
        return find(self._viewer, whole, (z, y, x))

    def apply_voxel_size(self) -> None:
        """Give the layer the voxel size that was entered, so that results overlay it."""
        layer, size_nm = self.layer, self.voxel_size_nm
        if layer is None or np.allclose(_layer_voxel_nm(layer) or (0, 0, 0), size_nm, rtol=1e-6):
            return
        position_px = np.asarray(layer.translate) / np.asarray(layer.scale)
        with same_view(self._viewer, layer):
            layer.units = ("nm",) * 3
            layer.scale = size_nm
            layer.translate = position_px * np.asarray(size_nm)

    def refresh(self, event: Any = None) -> None:
        """Follow layers as they come, go and are renamed."""
        chosen = self.layer
        self._filling = True
        self.layers.clear()
        for layer in self._viewer.layers:
            if _is_candidate(layer):
                self.layers.addItem(layer.name, layer)
                if not any(known is layer for known in self._named):
                    self._named.append(layer)
                    self._connections.connect(layer.events.name, self.refresh)
                    for changing in (layer.events.scale, layer.events.units):
                        self._connections.connect(changing, self._layer_changed)
        self._named = [layer for layer in self._named if layer in self._viewer.layers]
        index = next((i for i in range(self.layers.count()) if self.layers.itemData(i) is chosen), 0)
        self.layers.setCurrentIndex(index if self.layers.count() else -1)
        self._filling = False
        if self.layer is not chosen or chosen is None:
            self._take_layer()

    def choose(self, layer: Any) -> None:
        """Select ``layer`` if it is listed."""
        for i in range(self.layers.count()):
            if self.layers.itemData(i) is layer:
                self.layers.setCurrentIndex(i)

    def _layer_changed(self, event: Any) -> None:
        if event.source is self.layer:
            self._take_layer()

    def _part_changed(self, choice: str) -> None:
        if self.part.currentText() == choice:
            self._settle.start()

    def _take_layer(self, _: Any = None) -> None:
        if self._filling:
            return
        self._filling = True
        size_nm = None if self.layer is None else _layer_voxel_nm(self.layer)
        for box, value in zip(self.voxel, size_nm or (0.0, 0.0, 0.0), strict=True):
            box.setValue(value)
        self._filling = False
        self._edited()

    def _edited(self) -> None:
        if self._filling:
            return
        try:
            self.summary.setText(self.volume().describe())
        except (VolumeError, ConfigError) as error:
            self.summary.setText(message_of(error))
        self.changed.emit()


def narrow(choice: QComboBox) -> None:
    """Let a list be narrower than its longest entry, so that a dock can be."""
    choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    choice.setMinimumContentsLength(8)


def _nm_box(axis: str) -> LengthBox:
    box = LengthBox(axis, tip=" (distance between sections)" if axis == "z" else "")
    box.setMinimumWidth(64)
    return box


def _is_candidate(layer: Any) -> bool:
    from napari.layers import Image

    return (
        isinstance(layer, Image)
        and "napari-emgauss" not in layer.metadata
        and not hasattr(layer.data, "reconstruction")
    )


def _n_sections(layer: Any) -> int:
    data = layer.data[0] if layer.multiscale else layer.data
    return int(data.shape[0])


def _layer_voxel_nm(layer: Any) -> Triple | None:
    """Voxel size that the layer states, None where it is in pixels or no stack."""
    if layer.ndim != 3:
        return None
    try:
        nm = LayerPlacement.of(layer).nm_per_unit
    except VoxelSizeError:
        return None
    z, y, x = (abs(float(s)) * f for s, f in zip(layer.scale, nm, strict=True))
    return z, y, x
