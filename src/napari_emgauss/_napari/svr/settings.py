"""Form of the settings: resolution, and a few more folded away."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QWidget

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import folded, form_layout
from napari_emgauss._napari.controls.length_box import LengthBox

PROFILES = {"MRI: a Gaussian as wide as the slice": "mri", "Cut or milled: all of the slice alike": "box"}
SWITCHES = {
    "motion": ("Find how each slice moved", "Off: slices are taken to be where their files have them."),
    "outliers": (
        "Count slices that do not fit for less",
        "Slices and pixels that contradict all others (signal lost, motion within a slice) get small weights.",
    ),
    "gain": ("Even out the brightness of slices", "Each slice gets a factor, found with the volume."),
}
"""Name and tooltip of what is on or off, by setting."""
COARSENESS = 2
"""Voxel size for a quick try, over that which is suggested."""


class SliceSettingsForm(QWidget):
    """Voxel size and advanced settings; ``changed`` tells that `arguments` differ."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.voxel_size = LengthBox("", least=0.01, suffix=" mm")
        self.voxel_size.setPrefix("")
        self.voxel_size.setToolTip(
            "Size of the result's voxels. About the spacing of the slices' pixels; below that little is gained."
        )
        self.profile = Chooser("How a slice averages over its thickness.", PROFILES.items())
        self.switches = {name: QCheckBox(label) for name, (label, _) in SWITCHES.items()}
        self.advanced = folded("Advanced")
        inner = QWidget()
        rows = form_layout(inner)
        rows.addRow("Slice profile", self.profile)
        for name, switch in self.switches.items():
            switch.setChecked(True)
            switch.setToolTip(f"<p>{SWITCHES[name][1]}</p>")
            switch.toggled.connect(self.changed)
            rows.addRow(switch)
        self.advanced.addWidget(inner)
        form = form_layout(self)
        form.addRow("Voxel size", self.voxel_size)
        form.addRow(self.advanced)
        self._entered, self._suggested, self._coarseness = False, 1.0, 1
        self.voxel_size.valueChanged.connect(self._take_entered)
        self.profile.changed.connect(self.changed)

    def arguments(self) -> dict[str, Any]:
        """Return settings as `Session` takes them."""
        chosen: dict[str, Any] = {name: switch.isChecked() for name, switch in self.switches.items()}
        return {"voxel_size_mm": self.voxel_size.value(), "profile": self.profile.item, **chosen}

    def suggest(self, voxel_size_mm: float) -> None:
        """Show a voxel size, unless one was entered."""
        self._suggested = voxel_size_mm
        if not self._entered:
            with QSignalBlocker(self.voxel_size):
                self.voxel_size.setValue(round(self._coarseness * voxel_size_mm, 2))

    def take(self, *, coarse: bool) -> None:
        """Take the voxel size that is suggested, whatever was entered, or a coarser one."""
        self._entered, self._coarseness = False, COARSENESS if coarse else 1
        self.suggest(self._suggested)
        self.changed.emit()

    def _take_entered(self) -> None:
        self._entered = True
        self.changed.emit()
