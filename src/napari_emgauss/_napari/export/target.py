"""Where an export goes: a layer, a file, or both."""

from __future__ import annotations

import re
from pathlib import Path

from qtpy.QtCore import QStandardPaths, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from napari_emgauss._napari.viewer.models import OpenModel
from napari_emgauss.errors import VolumeError

FORMATS = {"OME-TIFF": ".ome.tif", "OME-Zarr": ".ome.zarr", "MRC": ".mrc"}
KNOWN = (".ome.tiff", ".ome.tif", ".ome.zarr", ".tiff", ".tif", ".zarr", ".mrc")
"""Suffixes that are replaced when the format changes, longest first."""


class TargetForm(QWidget):
    """Choose layer and file; ``changed`` tells that they may differ."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._suggested = ""
        self.layer_box = QCheckBox("New layer in this viewer")
        self.layer_box.setChecked(True)
        self.file_box = QCheckBox("File")
        self.format_choice = QComboBox()
        self.format_choice.addItems(list(FORMATS))
        self.format_choice.setToolTip(
            "OME-TIFF opens in Fiji, OME-Zarr suits very large volumes and the web, MRC suits IMOD and ChimeraX."
        )
        self.path_edit = QLineEdit()
        self.path_edit.setToolTip("The file to write; it appears only when it is complete.")
        self.browse_button = QPushButton("Browse…")
        self._lay_out()
        self.layer_box.toggled.connect(self._edited)
        self.file_box.toggled.connect(self._edited)
        self.format_choice.currentTextChanged.connect(self._take_format)
        self.path_edit.editingFinished.connect(self.take_path)
        self.browse_button.clicked.connect(lambda: self.browse())
        self._edited()

    def _lay_out(self) -> None:
        path = QWidget()
        row = QHBoxLayout(path)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.path_edit, 1)
        row.addWidget(self.browse_button)
        self._form = form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._path_row = path
        form.addRow(self.layer_box)
        form.addRow(self.file_box)
        form.addRow("Format", self.format_choice)
        form.addRow("Save as", path)

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
        return _with_suffix(Path(text).expanduser(), FORMATS[self.format_choice.currentText()], keep=True)

    def suggest(self, model: OpenModel | None) -> None:
        """Propose a file named after ``model``, beside its stack, unless the user has chosen one."""
        if model is None or self.path_edit.text() != self._suggested:
            return
        source = getattr(getattr(model.source_layer, "source", None), "path", None)
        documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        folder = Path(source).parent if source else Path(documents)
        folder = folder if folder.is_dir() else Path.home()
        name = re.sub(r"[^\w.+-]+", "-", model.name.split(" · ")[0]).strip("-.") or "reconstruction"
        self._suggested = str(folder / f"{name}-isotropic{FORMATS[self.format_choice.currentText()]}")
        self.path_edit.setText(self._suggested)

    def browse(self) -> None:
        """Ask for the file; whether it may be replaced is asked when the export starts."""
        name = self.format_choice.currentText()
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Save isotropic volume",
            self.path_edit.text(),
            f"{name} (*{FORMATS[name]})",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if path:
            self.path_edit.setText(path)
            self.take_path()

    def _take_format(self) -> None:
        text = self.path_edit.text().strip()
        if text:
            renamed = str(_with_suffix(Path(text), FORMATS[self.format_choice.currentText()]))
            if text == self._suggested:
                self._suggested = renamed
            self.path_edit.setText(renamed)
        self._edited()

    def take_path(self) -> None:
        """Follow the typed name: another format's suffix chooses that format, a name without one gets it."""
        text = self.path_edit.text().strip()
        if text:
            suffix = Path(text).suffix.lower()
            name = next((n for n, s in FORMATS.items() if s.endswith(suffix.replace("tiff", "tif"))), None)
            if suffix and name is not None:
                self.format_choice.setCurrentText(name)
            suffix = FORMATS[self.format_choice.currentText()]
            self.path_edit.setText(str(_with_suffix(Path(text), suffix, keep=True)))
        self._edited()

    def _edited(self) -> None:
        for row in (self.format_choice, self._path_row):
            self._form.setRowVisible(row, self.file_box.isChecked())
        self.changed.emit()


def _with_suffix(path: Path, suffix: str, *, keep: bool = False) -> Path:
    """``path`` ending in ``suffix``; with ``keep`` a known one of the same kind stays."""
    known = next((s for s in KNOWN if path.name.lower().endswith(s)), "")
    same_kind = known.replace("tiff", "tif").rpartition(".")[2] == suffix.rpartition(".")[2]
    if keep and known and same_kind:
        return path
    stem = path.name[: len(path.name) - len(known)] if known else path.name
    return path.with_name((stem or "volume") + suffix)
