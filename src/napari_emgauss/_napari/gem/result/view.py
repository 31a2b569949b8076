"""What was made of particles, as it is kept: files and layers."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QFileDialog, QGridLayout, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import button, form_layout, title
from napari_emgauss._napari.controls.replacing import may_replace

MAP_FILES, TABLE_FILES, MODEL_FILES = (
    ("MRC (*.mrc)", ".mrc"),
    ("Table (*.csv)", ".csv"),
    ("EMGauss model (*.emgauss)", ".emgauss"),
)


class MapResultView(QWidget):
    """Buttons for a map; hidden until there is one."""

    export_wanted = Signal()
    table_wanted = Signal()
    points_wanted = Signal()
    local_resolution_wanted = Signal()
    save_wanted = Signal()
    sharpened = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.results = Chooser("The map that is looked at: made here, or opened from a model file.")
        self.sharpen = QCheckBox("Sharpened")
        self.sharpen.setToolTip(
            "<p>Raise fine detail to the level that it has in a molecule, by an estimated B-factor, up to the "
            "resolution: for the eye. Half maps stay as they are.</p>"
        )
        self.export_button = button(
            "Export MRC…", "Save the map, and beside it both half maps: NAME.mrc, NAME_half1.mrc, NAME_half2.mrc."
        )
        self.save_button = button("Save model…", "Keep the Gaussians in a file (.emgauss) to open again.")
        self.points_button = button("Show Gaussians", "Add all Gaussians as a layer of points.")
        self.local_button = button(
            "Local resolution", "Add the resolution around every voxel, in Å, as a layer: how far to trust which part."
        )
        self.table_button = button("Gaussians as CSV…", "Save a table of all Gaussians: centres, sizes, peaks.")
        self._lay_out()
        self.export_button.clicked.connect(self.export_wanted)
        self.table_button.clicked.connect(self.table_wanted)
        self.points_button.clicked.connect(self.points_wanted)
        self.save_button.clicked.connect(self.save_wanted)
        self.local_button.clicked.connect(self.local_resolution_wanted)
        self.sharpen.toggled.connect(self.sharpened)
        self.hide()

    def _lay_out(self) -> None:
        chooser, buttons = QWidget(), QWidget()
        form = form_layout(chooser)
        form.addRow("Map", self.results)
        form.addRow(self.sharpen)
        grid = QGridLayout(buttons)
        grid.setContentsMargins(0, 0, 0, 0)
        buttons_of = (
            self.export_button,
            self.save_button,
            self.points_button,
            self.table_button,
            self.local_button,
        )
        for place, own in enumerate(buttons_of):
            grid.addWidget(own, place // 2, place % 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (title("Result"), chooser, buttons):
            layout.addWidget(widget)

    def ask_path(self, caption: str, name: str, files: tuple[str, str]) -> Path | None:
        """Ask for a file's name; None if it is not to be written."""
        kind, suffix = files
        typed, _ = QFileDialog.getSaveFileName(self, caption, name + suffix, kind)
        if not typed:
            return None
        path = Path(typed if typed.lower().endswith(suffix) else f"{typed}{suffix}")
        # The dialog has asked about the name as it was typed.
        return path if str(path) == typed or may_replace(self, path) else None

    def may_replace_all(self, paths: list[Path]) -> bool:
        """Ask about the files of these that exist; tell whether all may be written."""
        return all(may_replace(self, path) for path in paths)
