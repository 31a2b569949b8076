"""The form that says where an export goes: a layer, a file, or both."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QFileDialog, QLineEdit, QWidget

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import button, form_layout, row
from napari_emgauss._napari.export.target import FORMATS, format_of, with_suffix
from napari_emgauss.errors import VolumeError


class TargetForm(QWidget):
    """Choose layer and file; ``changed`` tells that they may differ."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._suggested = ""
        self.layer_box = QCheckBox("New layer in this viewer")
        self.layer_box.setChecked(True)
        self.file_box = QCheckBox("File")
        self.format_choice = Chooser(
            "OME-TIFF opens in Fiji, OME-Zarr suits very large volumes and the web, MRC suits IMOD and ChimeraX.",
            FORMATS.items(),
        )
        self.path_edit = QLineEdit()
        self.path_edit.setAccessibleName("File to write")
        self.path_edit.setToolTip("The file to write; it appears only when it is complete.")
        self.browse_button = button("Browse…", "")
        self._path_row = row(self.path_edit, self.browse_button)
        self._form = form_layout(self)
        self._form.addRow(self.layer_box)
        self._form.addRow(self.file_box)
        self._form.addRow("Format", self.format_choice)
        self._form.addRow("Save as", self._path_row)
        self.layer_box.toggled.connect(self._edited)
        self.file_box.toggled.connect(self._edited)
        self.format_choice.changed.connect(self._take_format)
        self.path_edit.editingFinished.connect(self.take_path)
        self.browse_button.clicked.connect(lambda: self.browse())
        self._edited()

    @property
    def as_layer(self) -> bool:
        """Whether a layer is wanted."""
        return bool(self.layer_box.isChecked())

    @property
    def path(self) -> Path | None:
        """The file, if one is wanted.

        Raises
        ------
        VolumeError
            A file is wanted but not named.
        """
        if not self.file_box.isChecked():
            return None
        text = self.path_edit.text().strip()
        if not text:
            raise VolumeError("choose where to save the file with 'Browse…'.")
        return with_suffix(Path(text).expanduser(), self.format_choice.item, keep=True)

    def suggest(self, path: Path) -> None:
        """Propose ``path``, which has no suffix, unless the user has chosen another file."""
        if self.path_edit.text() == self._suggested:
            self._suggested = f"{path}{self.format_choice.item}"
            self.path_edit.setText(self._suggested)

    def browse(self) -> None:
        """Ask for the file; whether it may be replaced is asked when the export starts."""
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Save isotropic volume",
            self.path_edit.text(),
            f"{self.format_choice.currentText()} (*{self.format_choice.item})",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if path:
            self.path_edit.setText(path)
            self.take_path()

    def take_path(self) -> None:
        """Follow the typed name: another format's suffix chooses that format, a name without one gets it."""
        text = self.path_edit.text().strip()
        if text:
            name = format_of(Path(text))
            if name is not None:
                self.format_choice.choose(FORMATS[name])
            self.path_edit.setText(str(with_suffix(Path(text), self.format_choice.item, keep=True)))
        self._edited()

    def _take_format(self) -> None:
        text = self.path_edit.text().strip()
        if text:
            renamed = str(with_suffix(Path(text), self.format_choice.item))
            if text == self._suggested:
                self._suggested = renamed
            self.path_edit.setText(renamed)
        self._edited()

    def _edited(self) -> None:
        for widget in (self.format_choice, self._path_row):
            self._form.setRowVisible(widget, self.file_box.isChecked())
        self.changed.emit()
