"""How it is trained: preset, device, and every other setting folded away, generated from the config dataclass."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import docstring_parser
from qtpy.QtCore import QLocale, QSettings, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QDoubleValidator, QIcon
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLabel, QLineEdit, QSpinBox, QWidget
from superqt import QCollapsible

from napari_emgauss.methods.emgauss import EmgaussConfig, preset

PRESET_NOTES = {
    "fast": "A first look, in seconds to a few minutes.",
    "balanced": "The default: first studies how your tissue continues, some minutes.",
    "best": "Studies three times as long as 'balanced', for a little more.",
    "paper": "EMGauss as published: slow on a CPU, and not better.",
}
DEVICES = {"Automatic": "auto", "CPU": "cpu", "GPU (CUDA)": "cuda"}
ELSEWHERE = ("hold_out", "leave_out")
"""Fields that the form of the stack asks for."""


def user_settings() -> QSettings:
    """What is remembered between two starts of napari."""
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-emgauss", "napari-emgauss")


class SettingsForm(QWidget):
    """Preset, device and advanced settings; ``changed`` tells that `arguments` differ."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.preset = QComboBox()
        self.preset.addItems(list(PRESET_NOTES))
        for i, note in enumerate(PRESET_NOTES.values()):
            self.preset.setItemData(i, note, 3)  # ToolTipRole
        self.device = QComboBox()
        self.device.addItems(list(DEVICES))
        self.device.setToolTip("Where to compute. Automatic takes an NVIDIA GPU if torch finds one, otherwise the CPU.")
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.advanced = QCollapsible("▸ Advanced")
        for icon in (self.advanced.setCollapsedIcon, self.advanced.setExpandedIcon):
            icon(QIcon())  # its own are black in every theme
        self.advanced.toggled.connect(lambda shown: self.advanced.setText(("▾" if shown else "▸") + " Advanced"))
        self._form = QWidget()
        self._fields = _editors(self._form)
        self.advanced.addWidget(self._form)
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.addRow("Preset", self.preset)
        layout.addRow(self.note)
        layout.addRow("Device", self.device)
        layout.addRow(self.advanced)
        self._filling = False
        self.preset.setCurrentText("balanced")
        self.recall()
        self.preset.currentTextChanged.connect(self._take_preset)
        self.device.currentTextChanged.connect(self._edited)
        for editor in self._fields.values():
            _signal_of(editor).connect(self._edited)

    def arguments(self) -> dict[str, Any]:
        """Preset, device and the settings that differ from the preset's, as `Session` takes them."""
        name = self.preset.currentText()
        usual = preset(name)
        values = {field: _read(editor) for field, editor in self._fields.items()}
        changed = {field: value for field, value in values.items() if value != getattr(usual, field)}
        return {"preset": name, "device": DEVICES[self.device.currentText()], **changed}

    def remember(self) -> None:
        """Keep the choices for the next start; advanced settings go back to the preset's."""
        settings = user_settings()
        settings.setValue("reconstruct/preset", self.preset.currentText())
        settings.setValue("reconstruct/device", self.device.currentText())

    def recall(self) -> None:
        """Take the choices of the last time."""
        settings = user_settings()
        for box, key in ((self.preset, "preset"), (self.device, "device")):
            index = box.findText(str(settings.value(f"reconstruct/{key}", box.currentText())))
            if index >= 0:
                box.setCurrentIndex(index)
        self._take_preset()

    def _take_preset(self) -> None:
        name = self.preset.currentText()
        self._filling = True
        for field, editor in self._fields.items():
            _write(editor, getattr(preset(name), field))
        self._filling = False
        self._edited()

    def _edited(self) -> None:
        if self._filling:
            return
        n_changed = len(self.arguments()) - 2
        changed = f" {n_changed} advanced setting{'s' * (n_changed > 1)} changed." if n_changed else ""
        self.note.setText(PRESET_NOTES[self.preset.currentText()] + changed)
        self.changed.emit()


def _editors(parent: QWidget) -> dict[str, QWidget]:
    """One editor per field of `EmgaussConfig`, with its docstring as the tooltip."""
    notes = {p.arg_name: p.description or "" for p in docstring_parser.parse_from_object(EmgaussConfig).params}
    types = typing.get_type_hints(EmgaussConfig)
    layout = QFormLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    editors: dict[str, QWidget] = {}
    for field in dataclasses.fields(EmgaussConfig):
        if field.name in ELSEWHERE:
            continue
        editor = _editor(types[field.name])
        editor.setObjectName(field.name)
        editor.setToolTip(" ".join(notes[field.name].split()))
        label = QLabel(field.name)
        label.setToolTip(editor.toolTip())
        layout.addRow(label, editor)
        editors[field.name] = editor
    return editors


def _editor(kind: Any) -> QWidget:
    if typing.get_origin(kind) is typing.Literal:
        choice = QComboBox()
        choice.addItems(list(typing.get_args(kind)))
        return choice
    if kind is bool:
        return QCheckBox()
    if kind is int:
        number = QSpinBox()
        number.setRange(0, 2**31 - 1)
        number.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        return number
    if kind is float:
        line = QLineEdit()
        validator = QDoubleValidator()
        validator.setLocale(QLocale.c())  # numbers are written and read with a decimal point
        line.setValidator(validator)
        return line
    raise TypeError(f"no editor for a setting of type {kind}")


def _signal_of(editor: QWidget) -> Any:
    if isinstance(editor, QComboBox):
        return editor.currentTextChanged
    if isinstance(editor, QCheckBox):
        return editor.toggled
    return editor.editingFinished if isinstance(editor, QLineEdit) else editor.valueChanged  # type: ignore[attr-defined]


def _read(editor: QWidget) -> Any:
    if isinstance(editor, QComboBox):
        return editor.currentText()
    if isinstance(editor, QCheckBox):
        return editor.isChecked()
    if isinstance(editor, QLineEdit):
        try:
            return float(editor.text())
        except ValueError:
            return editor.text()  # the config says what is wrong with it
    return editor.value()  # type: ignore[attr-defined]


def _write(editor: QWidget, value: Any) -> None:
    if isinstance(editor, QComboBox):
        editor.setCurrentText(value)
    elif isinstance(editor, QCheckBox):
        editor.setChecked(value)
    elif isinstance(editor, QLineEdit):
        editor.setText(f"{value:g}" if float(f"{value:g}") == value else repr(value))
    else:
        editor.setValue(value)  # type: ignore[attr-defined]
