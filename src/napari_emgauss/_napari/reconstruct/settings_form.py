"""Form of the training's settings: preset, device, and about a dozen more folded away."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QSpinBox, QWidget

from napari_emgauss._napari.controls.elements import align_labels, folded, form_layout, text_label
from napari_emgauss._napari.controls.length_box import LengthBox
from napari_emgauss._napari.controls.remembered import user_settings
from napari_emgauss._napari.reconstruct.gpu_test import GpuTest, has_gpu
from napari_emgauss.methods.emgauss.config import FIELDS, inert
from napari_emgauss.methods.emgauss.presets import PRESET_NOTES, preset
from napari_emgauss.settings import bounds

DEVICES = {"Automatic": "auto", "CPU": "cpu", "GPU (CUDA)": "cuda"}


@dataclass(frozen=True, kw_only=True)
class AdvancedSetting:
    """A setting in a user's words: a number, or a choice between named values."""

    label: str
    note: str
    unit: str = ""
    least: int = 1
    most: int = 1_000_000
    choices: dict[str, Any] = field(default_factory=dict)
    """Values by the text that stands for them."""
    checked: Any = True
    """Of a setting that is on or off: its value when on."""
    unchecked: Any = None
    """Its value when off; None for a number or a choice."""


ADVANCED = {
    "teacher": AdvancedSetting(
        label="Predict what lies between sections",
        note="Networks and interpolation predict sections that were never cut, each as far as your own hidden sections "
        "bear it out, and the Gaussians learn from them. The best results by far.",
        checked="mixture",
        unchecked="ema",
    ),
    "prior": AdvancedSetting(
        label="Use what was learned from other volumes",
        note="A network that has learned from openly licensed volume EM how tissue continues helps to predict. Off: "
        "the reconstruction comes from your stack alone.",
        unchecked=False,
    ),
    "correct_sections": AdvancedSetting(
        label="Even out brightness and shifts",
        note="Remove differences in brightness and shifts of up to 4 px between sections, wherever your sections "
        "show that it helps.",
        checked="auto",
        unchecked="none",
    ),
    "leave_out_damaged": AdvancedSetting(
        label="Leave damaged sections out",
        note="Look for torn, blank, blurred or misplaced sections, and reconstruct them from their neighbours.",
        unchecked=False,
    ),
    "adapt_spacing": AdvancedSetting(
        label="Finer detail where the sections have it",
        note="Try Gaussians closer together, and keep them if hidden sections are drawn better.",
        unchecked=False,
    ),
    "motion": AdvancedSetting(
        label="Follow structures from section to section",
        note="Start from the motion (optical flow) between neighbouring sections. Off: start without any motion.",
        checked="flow",
        unchecked="none",
    ),
    "uncertainty": AdvancedSetting(
        label="Map the uncertainty",
        note="After the training, map the error to expect at every place of the reconstruction.",
        unchecked=False,
    ),
    "denoise": AdvancedSetting(
        label="Denoise first",
        note="Denoise the sections before the training. For very noisy stacks only: some detail is lost.",
        choices={"No": "none", "Lightly": "light", "Blur (1 px)": "blur"},
    ),
    "spacing_px": AdvancedSetting(
        label="Detail",
        note="Distance between Gaussians when training starts. A smaller one keeps finer detail, and more noise; it "
        "takes longer and needs more memory.",
        unit=" px apart",
        most=64,
    ),
    "lateral_steps": AdvancedSetting(
        label="Study of your own sections",
        note="Training steps of a network that learns from your own sections. 0: none; 'best' takes 3000.",
        unit=" steps",
        least=0,
    ),
    "newton_steps": AdvancedSetting(
        label="Effort of the training",
        note="How often the Gaussians of each section, observed or predicted, are moved towards it. More steps keep "
        "finer detail, and more noise.",
        unit=" steps",
    ),
    "tile_px": AdvancedSetting(
        label="Tile size",
        note="Wider sections are split into tiles of this side, which are trained one after the other. Smaller tiles "
        "need less memory.",
        unit=" px",
    ),
    "bundle_sections": AdvancedSetting(
        label="Bundle size",
        note="Longer stacks are split into bundles of so many sections, which are trained one after the other. Smaller "
        "bundles need less memory.",
        unit=" sections",
    ),
}
"""What the form offers of the configuration; the sections held or left out are asked for with the stack."""


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
        self.note = text_label()
        self.advanced = folded("Advanced")
        form = QWidget()
        self._fields = _editors(form)
        self.advanced.addWidget(form)
        self._focus_policies = {editor: editor.focusPolicy() for editor in form.findChildren(QWidget)}
        self.advanced.toggled.connect(self._let_focus)
        self._let_focus(False)
        layout = form_layout(self)
        layout.addRow("Preset", self.preset)
        layout.addRow(self.note)
        layout.addRow("Device", self.device)
        if has_gpu():
            layout.addRow("", GpuTest())
        layout.addRow(self.advanced)
        align_labels(layout)
        self._filling = False
        self.preset.setCurrentText("balanced")
        self.recall()
        self.preset.currentTextChanged.connect(self._take_preset)
        self.device.currentTextChanged.connect(self._edited)
        for editor in self._fields.values():
            _signal_of(editor).connect(self._edited)
        self._fields["prior"].toggled.connect(self._study_instead)  # type: ignore[attr-defined]
        self._edited()

    def _let_focus(self, shown: bool) -> None:
        """Take the fields into the tab order while they are shown."""
        for editor, policy in self._focus_policies.items():
            editor.setFocusPolicy(policy if shown else Qt.FocusPolicy.NoFocus)

    def arguments(self) -> dict[str, Any]:
        """Preset, device and the settings that differ from the preset's, as `Session` takes them."""
        name = self.preset.currentText()
        usual, without_effect = _usual(name), self._without_effect()
        values = {setting: _read(setting, editor) for setting, editor in self._fields.items()}
        if "prior" not in without_effect:
            usual["lateral_steps"] = _usual(name, prior=values["prior"])["lateral_steps"]
        changed = {
            setting: value
            for setting, value in values.items()
            if value != usual[setting] and setting not in without_effect
        }
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

    def _without_effect(self) -> set[str]:
        """Settings that cannot act with what is entered."""
        chosen = preset(self.preset.currentText())
        values = {setting: _read(setting, editor) for setting, editor in self._fields.items()}
        network_only = {"teacher"} if chosen.model.has_network else set()  # it has but one teacher
        return {*inert({**chosen.flat(), **values}), *network_only}

    def _take_preset(self) -> None:
        self._filling = True
        for setting, value in _usual(self.preset.currentText()).items():
            _write(setting, self._fields[setting], value)
        self._filling = False
        self._edited()

    def _study_instead(self, prior: bool) -> None:
        """Let a study of the stack take the place of the prior as the preset has it, unless it was changed by hand."""
        name, steps = self.preset.currentText(), self._fields["lateral_steps"]
        if not self._filling and _read("lateral_steps", steps) == _usual(name, prior=not prior)["lateral_steps"]:
            _write("lateral_steps", steps, _usual(name, prior=prior)["lateral_steps"])

    def _edited(self) -> None:
        if self._filling:
            return
        without_effect = self._without_effect()
        for setting, editor in self._fields.items():
            acts = setting not in without_effect
            editor.setEnabled(acts)
            # Rich text, which Qt wraps.
            editor.setToolTip(f"<p>{ADVANCED[setting].note}{'' if acts else ' <i>Not used with this choice.</i>'}</p>")
        n_changed = len(self.arguments()) - 2
        changed = f" {n_changed} advanced setting{'s' * (n_changed > 1)} changed." if n_changed else ""
        self.note.setText(PRESET_NOTES[self.preset.currentText()] + changed)
        self.changed.emit()


def _usual(name: str, **chosen: Any) -> dict[str, Any]:
    """Advanced settings of a preset with others ``chosen``; a switch that cannot act in it is off."""
    values = preset(name, **chosen).flat()
    for setting in inert(values):
        if setting in ADVANCED and ADVANCED[setting].unchecked is not None:
            values.pop(setting, None)
    absent = {k: FIELDS[k].default if s.unchecked is None else s.unchecked for k, s in ADVANCED.items()}
    return {setting: values.get(setting, absent[setting]) for setting in ADVANCED}


def _editors(parent: QWidget) -> dict[str, QWidget]:
    """One editor per advanced setting."""
    layout = form_layout(parent)
    editors: dict[str, QWidget] = {}
    for name, setting in ADVANCED.items():
        editor = _editor(name, setting)
        editor.setObjectName(name)
        if setting.unchecked is None:
            label = QLabel(setting.label)
            label.setToolTip(f"<p>{setting.note}</p>")
            layout.addRow(label, editor)
            editor.setAccessibleName(setting.label)
        else:
            layout.addRow(editor)
        editors[name] = editor
    return editors


def _editor(name: str, setting: AdvancedSetting) -> QWidget:
    if setting.unchecked is not None:
        return QCheckBox(setting.label)
    if setting.choices:
        choice = QComboBox()
        choice.addItems(list(setting.choices))
        return choice
    least, most = bounds(FIELDS[name])
    if FIELDS[name].annotation is float:
        length = LengthBox("", least=max(least, 0.5))
        length.setMaximum(min(most, setting.most))
        length.setSuffix(setting.unit)
        return length
    number = QSpinBox()
    number.setRange(int(max(least, setting.least)), int(min(most, setting.most)))
    number.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
    number.setSuffix(setting.unit)
    return number


def _signal_of(editor: QWidget) -> Any:
    if isinstance(editor, QComboBox):
        return editor.currentTextChanged
    return editor.toggled if isinstance(editor, QCheckBox) else editor.valueChanged  # type: ignore[attr-defined]


def _read(name: str, editor: QWidget) -> Any:
    if isinstance(editor, QComboBox):
        return ADVANCED[name].choices[editor.currentText()]
    if isinstance(editor, QCheckBox):
        return ADVANCED[name].checked if editor.isChecked() else ADVANCED[name].unchecked
    return editor.value()  # type: ignore[attr-defined]


def _write(name: str, editor: QWidget, value: Any) -> None:
    if isinstance(editor, QComboBox):
        editor.setCurrentIndex(list(ADVANCED[name].choices.values()).index(value))
    elif isinstance(editor, QCheckBox):
        editor.setChecked(value == ADVANCED[name].checked)
    else:
        editor.setValue(value)  # type: ignore[attr-defined]
