"""What was made of slices, as it is shown: planes, motion, slices, and buttons to keep it."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import button, form_layout, row, text_label, title
from napari_emgauss._napari.controls.pictures import Pictures
from napari_emgauss._napari.controls.replacing import may_replace
from napari_emgauss._napari.svr.result.motion_plot import MotionPlot
from napari_emgauss._napari.svr.result.slice_table import SliceTable

PLANES_PX, PAIR_PX = 110, 140
MODEL_FILES, VOLUME_FILES = ("EMGauss model (*.emgauss)", ".emgauss"), ("NIfTI (*.nii.gz *.nii)", ".nii.gz")


class ResultView(QWidget):
    """Parts from top to bottom; hidden until there is a result."""

    export_wanted = Signal()
    save_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.results = Chooser("The result that is looked at: a volume made here, or opened from a model file.")
        self.export_button = button("Export NIfTI…", "Save the volume in world space (.nii.gz), where its stacks are.")
        self.save_button = button("Save model…", "Keep it with its motion in a file (.emgauss) to open again.")
        self.motion = MotionPlot()
        self.table = SliceTable()
        self.pair = Pictures(2, height_px=PAIR_PX, tip="A slice as it was measured, and as the volume says it looks.")
        self.pair_note = text_label()
        chooser = QWidget()
        form_layout(chooser).addRow("Volume", self.results)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            title("Result"),
            chooser,
            row(self.export_button, self.save_button),
            title("Slices"),
            self.table,
            self.pair_note,
            self.pair,
            title("Motion"),
            self.motion,
        ):
            layout.addWidget(widget)
        self.export_button.clicked.connect(self.export_wanted)
        self.save_button.clicked.connect(self.save_wanted)
        self.note_pair("")
        self.hide()

    def note_pair(self, text: str) -> None:
        """Say what the pair of pictures shows, or why there is none."""
        self.pair_note.setText(text)
        self.pair_note.setVisible(bool(text))

    def ask_path(self, caption: str, name: str, files: tuple[str, str]) -> Path | None:
        """Ask for a file's name; None if it is not to be written."""
        kind, suffix = files
        typed, _ = QFileDialog.getSaveFileName(self, caption, name + suffix, kind)
        if not typed:
            return None
        known = typed.lower().endswith((suffix, ".nii") if suffix == ".nii.gz" else suffix)
        path = Path(typed if known else f"{typed}{suffix}")
        # The dialog has asked about the name as it was typed.
        return path if str(path) == typed or may_replace(self, path) else None
