"""What is compared: an open model, its stack, and a plain interpolation."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QWidget

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.viewer.layers import stack_of
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss.errors import VolumeError
from napari_emgauss.interpolation.plain import BLURS_PX, Baseline, Method
from napari_emgauss.methods.emgauss import Reconstruction
from napari_emgauss.volume import Volume

NO_MODEL = "No model yet: train one in 'Reconstruct' or open a .emgauss file."
METHODS: dict[str, Method] = {"Linear": "linear", "Cubic": "cubic", "Optical flow": "flow"}
THIRD = {"Nothing": "", "Difference": "difference", "Stack": "stack"}
"""What can be shown in a third column, and which images those are."""


class CompareForm(QWidget):
    """Choose what to compare; the signals tell that `model` and its stack, or `baseline`, differ."""

    model_changed = Signal()
    baseline_changed = Signal()
    third_changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._open = open_models(viewer)
        self._connections = Connections(self)
        self._named: list[Any] = []
        self._filling = False
        self._compared: tuple[Any, Any] = (None, None)
        self.models = _combo("The trained model to compare.")
        self.layers = _combo("The stack that the model was trained on.")
        self.methods = _combo("Plain interpolation to compare with. It sees the same sections as the training.")
        self.methods.addItems(list(METHODS))
        self.blurs = _combo("Blur of the interpolated sections in x and y (Gaussian σ in pixels). It hides noise.")
        self.blurs.addItem("None", 0.0)
        for blur_px in BLURS_PX:
            self.blurs.addItem(f"{blur_px:g} px", blur_px)
        self.thirds = _combo(
            "Difference: EMGauss minus interpolation, grey where they agree.\n"
            "Stack: the nearest section, also where it was held out of the training."
        )
        self.thirds.addItems(list(THIRD))
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form.addRow("Model", self.models)
        self._form.addRow("Stack", self.layers)
        self._form.addRow("Beside", self.methods)
        self._form.addRow("Blur", self.blurs)
        self._form.addRow("Also show", self.thirds)

    def _connect(self) -> None:
        layers = self._viewer.layers.events
        for signal in (self._open.added, self._open.removed, layers.inserted, layers.removed):
            self._connections.connect(signal, self.refresh)
        for combo in (self.models, self.layers):
            combo.currentIndexChanged.connect(self.refresh)
        for combo in (self.methods, self.blurs):
            combo.currentIndexChanged.connect(self._baseline_edited)
        self.thirds.currentIndexChanged.connect(lambda _: self.third_changed.emit())

    @property
    def model(self) -> OpenModel | None:
        """The chosen model."""
        model: OpenModel | None = self.models.currentData()
        return model

    @property
    def baseline(self) -> Baseline:
        """The chosen plain interpolation."""
        return Baseline(method=METHODS[self.methods.currentText()], blur_px=self.blurs.currentData())

    @property
    def third(self) -> str:
        """Images of the third column, '' for none."""
        return THIRD[self.thirds.currentText()]

    def choose_baseline(self, baseline: Baseline) -> None:
        """Choose a plain interpolation of those listed."""
        self._filling = True
        self.methods.setCurrentIndex(list(METHODS.values()).index(baseline.method))
        self.blurs.setCurrentIndex(self.blurs.findData(baseline.blur_px))
        self._filling = False
        self._baseline_edited()

    def volume(self) -> Volume:
        """The chosen model's stack.

        Raises
        ------
        VolumeError
            There is no model or no stack; the message says what to do.
        """
        model, layer = self.model, self.layers.currentData()
        if model is None:
            raise VolumeError(NO_MODEL)
        if model.stack is not None:
            return model.stack
        if layer is None:
            n, height, width = model.reconstruction.shape
            raise VolumeError(
                f"open the stack that '{model.name}' was trained on: {n} sections of {height} × {width} px. "
                "It is found here as soon as it is a layer."
            )
        return stack_of(layer, voxel_size_nm=model.reconstruction.voxel_size_nm)

    def refresh(self, _: Any = None) -> None:
        """Follow models and layers as they come, go and are renamed."""
        if self._filling:
            return
        self._filling = True
        _fill(self.models, [(model.name, model) for model in self._open])
        model = self.model
        needed = model is not None and model.stack is None
        layers = self._stacks_of(model) if model is not None and needed else []
        _fill(self.layers, [(layer.name, layer) for layer in layers])
        self._follow_names(layers)
        self._form.setRowVisible(self.layers, bool(layers))
        self.setEnabled(model is not None)
        self._filling = False
        compared = (model, self.layers.currentData())
        if any(a is not b for a, b in zip(compared, self._compared, strict=True)):
            self._compared = compared
            self.model_changed.emit()

    def _stacks_of(self, model: OpenModel) -> list[Any]:
        """Image layers that can be the model's stack."""
        from napari.layers import Image

        found = []
        for layer in self._viewer.layers:
            if isinstance(layer, Image) and not layer.rgb and not hasattr(layer.data, "reconstruction"):
                data = layer.data[0] if layer.multiscale else layer.data
                if tuple(data.shape) == model.reconstruction.shape:
                    found.append(getattr(layer, "__wrapped__", layer))
        return found

    def _follow_names(self, layers: list[Any]) -> None:
        for layer in self._named:
            self._connections.disconnect(layer.events.name)
        self._named = layers
        for layer in layers:
            self._connections.connect(layer.events.name, self.refresh)

    def _baseline_edited(self, _: Any = None) -> None:
        if not self._filling:
            self.baseline_changed.emit()


def _combo(tip: str) -> QComboBox:
    combo = QComboBox()
    combo.setToolTip(tip)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(8)
    return combo


def _fill(combo: QComboBox, items: list[tuple[str, Any]]) -> None:
    """List ``items``, keeping the choice where it is still there."""
    chosen = combo.currentData()
    combo.clear()
    for name, item in items:
        combo.addItem(name, item)
    index = next((i for i, (_, item) in enumerate(items) if item is chosen), 0)
    combo.setCurrentIndex(index if items else -1)


def describe_place(z: float, reconstruction: Reconstruction) -> str:
    """Where ``z`` is among the sections, in words."""
    nearest = round(z)
    if abs(z - nearest) > 0.005:
        return f"between sections {int(z)} and {int(z) + 1}"
    if nearest in reconstruction.left_out:
        return f"section {nearest}, left out as damaged"
    if nearest in reconstruction.held_out:
        return f"section {nearest}, held out of the training"
    return f"section {nearest}, trained on"


def title(text: str) -> QLabel:
    """Heading of a part of the widget."""
    label = QLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label
