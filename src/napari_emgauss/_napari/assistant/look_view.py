"""The page of Look: before and after on the canvas, and how far to trust it."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QButtonGroup, QLabel, QSizePolicy, QSlider, QVBoxLayout, QWidget

from napari_emgauss._napari.compare.scores import ScoresView
from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import button, form_layout, row, title

ORIENTATIONS = {
    "xy": "Sections, as they were cut.",
    "xz": "From the side: here stripes between sections show.",
    "yz": "From the other side.",
}
SHARES = 100
"""Steps of the slider."""
MIDDLE = 0.5
"""Where the edge is at first."""
BESIDE_TIP = "Original and reconstruction beside each other: they move together, and both show what the pointer is at."
CURTAIN_TIP = "Original on the left of an edge, reconstruction on its right; drag the edge, or move the slider."


class LookView(QWidget):
    """Controls of what the canvas shows, and the verdict; they know no model and no viewer."""

    original_wanted = Signal(bool)
    side_by_side_wanted = Signal(bool)
    curtain_wanted = Signal(bool)
    faded = Signal(float)
    """To a share of the reconstruction, 0 to 1; with the curtain, which has its edge there."""
    turned = Signal(str)
    """To one of `ORIENTATIONS`."""

    def __init__(self) -> None:
        super().__init__()
        self.models = Chooser("The reconstruction to look at.", width=16)
        self.models.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.orientations = {name: button(name, tip) for name, tip in ORIENTATIONS.items()}
        self.original = button("Show original (B)", "Before and after: show the stack alone. The key is B.")
        self.side_by_side = button("Side by side", BESIDE_TIP)
        self.curtain = button("Movable edge", CURTAIN_TIP)
        self.fade = QSlider(Qt.Orientation.Horizontal)
        self.fade.setRange(0, SHARES)
        self.fade.setValue(SHARES)
        self._share_label = QLabel()
        self.scores = ScoresView()
        self._name_slider(curtain=False)
        self._lay_out()
        self.original.toggled.connect(self.original_wanted)
        self.side_by_side.toggled.connect(self.side_by_side_wanted)
        self.curtain.toggled.connect(self._on_curtain)
        self.fade.valueChanged.connect(lambda share: self.faded.emit(share / SHARES))

    def _lay_out(self) -> None:
        group = QButtonGroup(self)
        for name, made in self.orientations.items():
            made.setCheckable(True)
            made.setAccessibleName(f"View {name}")
            made.setMinimumWidth(40)
            made.clicked.connect(lambda _=False, name=name: self.turned.emit(name))
            group.addButton(made)
        for made in (self.original, self.side_by_side, self.curtain):
            made.setCheckable(True)
        controls = QWidget()
        form = form_layout(controls)
        form.addRow("Model", self.models)
        form.addRow("View", row(*self.orientations.values()))
        form.addRow(self._share_label, row(QLabel("before"), self.fade, QLabel("after")))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (
            title("Before and after"),
            controls,
            row(self.original, self.side_by_side, self.curtain),
            title("Is it better?"),
            self.scores,
        ):
            layout.addWidget(widget)

    def show_orientation(self, name: str) -> None:
        """Mark the orientation of the canvas, '' for another one."""
        for each, made in self.orientations.items():
            group = made.group()
            assert group is not None
            group.setExclusive(False)
            made.setChecked(each == name)
            group.setExclusive(True)

    def show_after(self) -> None:
        """Show the controls as they are when the reconstruction is all there is to see."""
        for widget in (self.original, self.side_by_side, self.curtain):
            with QSignalBlocker(widget):
                widget.setChecked(False)
        self._name_slider(curtain=False)
        self.show_share(1.0)

    def show_share(self, share: float) -> None:
        """Show a share, or the place of the edge."""
        with QSignalBlocker(self.fade):
            self.fade.setValue(round(SHARES * share))

    def _on_curtain(self, drawn: bool) -> None:
        self._name_slider(curtain=drawn)
        self.show_share(MIDDLE if drawn else 1.0)
        self.curtain_wanted.emit(drawn)

    def _name_slider(self, *, curtain: bool) -> None:
        self._share_label.setText("Edge" if curtain else "Fade")
        tip = CURTAIN_TIP if curtain else "Fade from the original (left) to the reconstruction (right)."
        self.fade.setToolTip(tip)
        name = "Edge between original and reconstruction" if curtain else "Fade from original to reconstruction"
        self.fade.setAccessibleName(name)
