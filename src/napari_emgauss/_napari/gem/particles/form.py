"""The form of the particles: a set that is open, or files to open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import button, folded, form_layout, text_label
from napari_emgauss._napari.controls.length_box import LengthBox
from napari_emgauss._napari.controls.path_field import PathField

FILES = "Particles (*.star *.cs *.mrcs *.mrc *.st);;All files (*)"
TABLES = "cryoSPARC (*.cs);;All files (*)"
ARRAYS = "Arrays (*.npz *.npy *.pkl);;All files (*)"
CS, STACKS = ".cs", (".mrcs", ".mrc", ".st")
"""cryoSPARC's tables; files that hold images only."""
SIGNS = {"As the images tell": "auto", "White": "white", "Black": "black"}
NONE_YET = "None yet: open a file below, or try File › Open Sample › EMGauss › Particles of a molecule."


@dataclass(frozen=True, kw_only=True)
class ParticleFiles:
    """Files as they are entered."""

    path: Path
    options: dict[str, Any]
    """Arguments of `napari_emgauss.read_particles`."""


class ParticlesForm(QWidget):
    """A set of particles, and the files to open another."""

    open_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.sets = Chooser("The particles to make a map of: those of a file that is open.")
        self.summary = text_label(NONE_YET)
        self.file = PathField("File of particles", FILES, hint=".star, .cs or .mrcs")
        self.data_dir = PathField(
            "Folder that the names of the images in a .star or .cs file begin in, often that of the project",
            hint="beside the file",
        )
        self.passthrough = PathField("A second table of the same job, joined by uid", TABLES, hint="none")
        self.poses = PathField("Rotations and shifts of the images (.npz, .npy, or .pkl of cryoDRGN)", ARRAYS)
        self.ctf = PathField("CTFs of the images (.npz, .npy, or .pkl of cryoDRGN)", ARRAYS, hint="none")
        self.pixel_size = LengthBox("", suffix=" Å")
        self.pixel_size.setPrefix("")
        self.pixel_size.setSpecialValueText("as the file says")
        self.pixel_size.setToolTip("Side of a pixel of the images in Å. It wins over what the file says.")
        self.sign = Chooser(
            "Whether particles are brighter or darker than what is around them; the images tell.", SIGNS.items()
        )
        self.without_aberrations = QCheckBox("Ignore aberrations")
        self.without_aberrations.setToolTip(
            "<p>Read particles whose table asks for beam tilt, higher aberrations or anisotropic magnification, which "
            "are not applied here.</p>"
        )
        self.open_button = button("Open", "Read the file and show some of its particles.")
        self.files = folded("Open a file")
        self._lay_out()
        self.file.changed.connect(self._show_rows)
        self.open_button.clicked.connect(self.open_wanted)
        self._show_rows()

    def _lay_out(self) -> None:
        inner = QWidget()
        self._rows = form_layout(inner)
        for label, field in (
            ("File", self.file),
            ("Data folder", self.data_dir),
            ("Passthrough", self.passthrough),
            ("Poses", self.poses),
            ("CTF", self.ctf),
            ("Pixel size", self.pixel_size),
            ("Particles are", self.sign),
        ):
            self._rows.addRow(label, field)
        self._rows.addRow(self.without_aberrations)
        self._rows.addRow(self.open_button)
        self.files.addWidget(inner)
        chooser = QWidget()
        form_layout(chooser).addRow("Particles", self.sets)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (chooser, self.summary, self.files):
            layout.addWidget(widget)
        self.files.expand(animate=False)

    def entered(self) -> ParticleFiles | None:
        """Return the files as they are entered, None without one."""
        path = self.file.path
        if path is None:
            return None
        alone, joined = self._suffix in STACKS, self._suffix == CS
        options: dict[str, Any] = {
            "data_dir": None if alone else self.data_dir.path,
            "passthrough": self.passthrough.path if joined else None,
            "poses": self.poses.path if alone else None,
            "ctf": self.ctf.path if alone else None,
            "pixel_size_angstrom": self.pixel_size.value() or None,
            "data_sign": self.sign.item,
            "ignore_aberrations": self.without_aberrations.isChecked(),
        }
        if alone and options["ctf"] is None:
            options["with_ctf"] = False
        return ParticleFiles(path=path, options=options)

    def show_reading(self, *, reading: bool) -> None:
        """Show that a file is read, or not."""
        self.open_button.setEnabled(not reading and self.file.path is not None)
        self.open_button.setText("Reading…" if reading else "Open")

    def show_files(self, *, shown: bool) -> None:
        """Unfold the files, or fold them away."""
        (self.files.expand if shown else self.files.collapse)(animate=False)

    @property
    def _suffix(self) -> str:
        path = self.file.path
        return "" if path is None else path.suffix.lower()

    def _show_rows(self) -> None:
        alone = self._suffix in STACKS
        for widget in (self.data_dir, self.without_aberrations):
            self._rows.setRowVisible(widget, not alone)
        self._rows.setRowVisible(self.passthrough, self._suffix == CS)
        for field in (self.poses, self.ctf):
            self._rows.setRowVisible(field, alone)
        self.show_reading(reading=False)
