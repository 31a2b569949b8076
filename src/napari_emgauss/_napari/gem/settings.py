"""Form of the settings: box, mask and symmetry, and a few more folded away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QComboBox, QSpinBox, QWidget

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import folded, form_layout, words_for_least
from napari_emgauss.methods.gem import GemConfig
from napari_emgauss.methods.gem.symmetry import symmetry_operators

AMPLITUDES = {"Images that were hidden decide": "auto", "All positive": "positive", "Of both signs": "signed"}
SYMMETRIES = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "D2", "D3", "D4", "D7")
MOST_GAUSSIANS = 200_000


class MapSettingsForm(QWidget):
    """Settings of a map; ``changed`` tells that `arguments` or `box_px` differ."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        usual = GemConfig()
        self.box = Chooser(
            "Images are shrunk to this box by cropping in Fourier space. A smaller one is quicker, and enough for a "
            "first look."
        )
        self.mask_radius = QSpinBox()
        self.mask_radius.setRange(20, 100)
        self.mask_radius.setSuffix(" % of the box")
        self.mask_radius.setValue(round(100 * usual.mask_radius))
        self.mask_radius.setToolTip("Diameter of the sphere that holds all of the molecule, in parts of the box.")
        self.symmetry = QComboBox()
        self.symmetry.setEditable(True)
        self.symmetry.addItems(list(SYMMETRIES))
        self.symmetry.setToolTip(
            "Point group of the molecule: Cn about z, or Dn about z and x. It is never guessed; C1 is none."
        )
        self.amplitudes = Chooser(
            "Densities below that of the water around are real, but more freedom also fits more noise.",
            AMPLITUDES.items(),
        )
        self.n_gaussians = QSpinBox()
        self.n_gaussians.setRange(0, MOST_GAUSSIANS)
        self.n_gaussians.setSingleStep(500)
        words_for_least(self.n_gaussians, "by the molecule's size")
        self.n_gaussians.setToolTip("Gaussians of each half of the particles.")
        self.whiten = QCheckBox("Weigh frequencies by the noise")
        self.whiten.setChecked(usual.whiten)
        self.whiten.setToolTip("<p>The power of the noise is measured around the particles, per optics group.</p>")
        self.advanced = folded("Advanced")
        self._lay_out()
        for signal in (
            self.box.changed,
            self.mask_radius.valueChanged,
            self.symmetry.currentTextChanged,
            self.amplitudes.changed,
            self.n_gaussians.valueChanged,
            self.whiten.toggled,
        ):
            signal.connect(lambda *_: self.changed.emit())

    def _lay_out(self) -> None:
        inner = QWidget()
        rows = form_layout(inner)
        rows.addRow("Densities", self.amplitudes)
        rows.addRow("Gaussians", self.n_gaussians)
        rows.addRow(self.whiten)
        self.advanced.addWidget(inner)
        form = form_layout(self)
        form.addRow("Box", self.box)
        form.addRow("Mask", self.mask_radius)
        form.addRow("Symmetry", self.symmetry)
        form.addRow(self.advanced)

    @property
    def box_px(self) -> int | None:
        """The box, None before there are particles."""
        box: int | None = self.box.item
        return box

    def offer_boxes(self, boxes: Sequence[tuple[int, float]]) -> None:
        """Offer boxes in pixels with the finest resolution in Å that each can hold."""
        self.box.offer([(f"{box} px, at best {finest:.3g} Å", box) for box, finest in boxes])

    def take(self, *, coarse: bool) -> None:
        """Take the smallest box that is offered, or the largest."""
        if self.box.items:
            self.box.choose(min(self.box.items) if coarse else max(self.box.items))

    def check(self) -> None:
        """Raise `ConfigError` where something cannot be."""
        symmetry_operators(self.arguments()["symmetry"])

    def arguments(self) -> dict[str, Any]:
        """Return settings as `Session` takes them."""
        return {
            "mask_radius": self.mask_radius.value() / 100,
            "symmetry": self.symmetry.currentText().strip().upper(),
            "amplitudes": self.amplitudes.item,
            "n_gaussians": self.n_gaussians.value(),
            "whiten": self.whiten.isChecked(),
        }
