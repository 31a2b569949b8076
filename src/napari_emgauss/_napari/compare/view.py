"""The view of Compare: what to compare, the images, and the scores."""

from __future__ import annotations

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_emgauss._napari.compare.panes import Panes, PanesWindow
from napari_emgauss._napari.compare.scores import ScoresView
from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.elements import button, form_layout, text_label, title
from napari_emgauss._napari.controls.scroll import VerticalScroll
from napari_emgauss._napari.controls.z_slider import ZSlider
from napari_emgauss.interpolation.plain import BLURS_PX, Baseline, Method

METHODS: dict[str, Method] = {"Linear": "linear", "Cubic": "cubic", "Optical flow": "flow"}
THIRD = {"Nothing": "", "Difference": "difference", "Stack": "stack"}
"""What can be shown in a third column, and which images those are."""
BODY_ROW = 2
LEAST_WIDTH_PX = 340


class CompareForm(QWidget):
    """Choose what to compare; the choosers of ``models`` and ``layers`` are filled by the controller."""

    baseline_changed = Signal()
    third_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.models = Chooser("The trained model to compare.")
        self.layers = Chooser("The stack that the model was trained on.")
        self.methods = Chooser(
            "Plain interpolation to compare with. It sees the same sections as the training.", METHODS.items()
        )
        self.blurs = Chooser(
            "Blur of the interpolated sections in x and y (Gaussian σ in pixels). It hides noise.",
            [("None", 0.0), *((f"{blur_px:g} px", blur_px) for blur_px in BLURS_PX)],
        )
        self.thirds = Chooser(
            "Difference: EMGauss minus interpolation, grey where they agree.\n"
            "Stack: the nearest section, also where it was held out of the training.",
            THIRD.items(),
        )
        self._choosing = False
        self._form = form_layout(self)
        for name, chooser in (
            ("Model", self.models),
            ("Stack", self.layers),
            ("Beside", self.methods),
            ("Blur", self.blurs),
            ("Also show", self.thirds),
        ):
            self._form.addRow(name, chooser)
        for chooser in (self.methods, self.blurs):
            chooser.changed.connect(self._baseline_edited)
        self.thirds.changed.connect(self.third_changed)

    @property
    def baseline(self) -> Baseline:
        """The chosen plain interpolation."""
        return Baseline(method=self.methods.item, blur_px=self.blurs.item)

    @property
    def third(self) -> str:
        """Images of the third column, '' for none."""
        return str(self.thirds.item)

    def choose_baseline(self, baseline: Baseline) -> None:
        """Choose a plain interpolation of those listed."""
        self._choosing = True
        self.methods.choose(baseline.method)
        self.blurs.choose(baseline.blur_px)
        self._choosing = False
        self._baseline_edited()

    def ask_for_stack(self, *, wanted: bool) -> None:
        """Show or hide the list of layers."""
        self._form.setRowVisible(self.layers, wanted)

    def _baseline_edited(self) -> None:
        if not self._choosing:
            self.baseline_changed.emit()


class CompareView(QWidget):
    """Everything in the dock. ``z_chosen`` tells where to go, ``next_held_out`` that such a section is wanted."""

    z_chosen = Signal(float)
    next_held_out = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.form = CompareForm()
        self.hint, self.where = text_label(), text_label()
        self.body = QWidget()
        self.panes = Panes()
        self.scores = ScoresView()
        self._scores_title = title("Is it better?")
        self._window: PanesWindow | None = None
        self.z = ZSlider("Depth, counted in sections: 2.5 is halfway between sections 2 and 3.")
        self.held_out_button = button(
            "Next held-out section", "Go to a section that neither EMGauss nor the interpolation has seen."
        )
        self.enlarge_button = button("Enlarge", "Show the images in a window of their own.")
        self._lay_out()
        self.z.valueChanged.connect(self.z_chosen)
        self.held_out_button.clicked.connect(lambda: self.next_held_out.emit())
        self.enlarge_button.clicked.connect(lambda: self.enlarge())

    def _lay_out(self) -> None:
        body = QVBoxLayout(self.body)
        body.setContentsMargins(0, 0, 0, 0)
        depth = QHBoxLayout()
        depth.addWidget(QLabel("z"))
        depth.addWidget(self.z)
        buttons = QHBoxLayout()
        buttons.addWidget(self.held_out_button)
        buttons.addWidget(self.enlarge_button)
        buttons.addStretch(1)
        body.addLayout(depth)
        body.addWidget(self.where)
        body.addWidget(self.panes, 1)
        body.addLayout(buttons)
        inner = QWidget()
        self._dock = QVBoxLayout(inner)
        self._dock.setContentsMargins(9, 9, 9, 9)
        for widget in (self.form, self.hint, self.body, self._scores_title, self.scores):
            self._dock.addWidget(widget)
        self._dock.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(VerticalScroll(inner))
        self.setMinimumWidth(LEAST_WIDTH_PX)

    def set_range(self, last_section: int, *, has_held_out: bool) -> None:
        """Take the range of the slider."""
        self.z.blockSignals(True)
        self.z.setRange(0, last_section)
        self.z.blockSignals(False)
        self.held_out_button.setVisible(has_held_out)

    def show_place(self, z: float, where: str, lines: tuple[float, float, float]) -> None:
        """Show where we are on the slider, in words, and by lines at these voxels (depth, y, x)."""
        self.z.blockSignals(True)
        self.z.setValue(z)
        self.z.blockSignals(False)
        self.where.setText(where)
        self.panes.set_lines(*lines)

    def show_hint(self, text: str) -> None:
        """Say what is missing, instead of showing images and scores; '' shows them again."""
        self.hint.setText(text)
        self.hint.setVisible(bool(text))
        for widget in (self.body, self._scores_title, self.scores):
            widget.setVisible(not text)
        if text and self._window is not None:
            self._window.close()

    def enlarge(self) -> None:
        """Show the images in a window of their own, which gives them back when it is closed."""
        if self._window is None:
            self._window = PanesWindow(self)
            self._window.closed.connect(self._dock_body)
        self._window.take(self.body)
        self.enlarge_button.hide()

    def _dock_body(self) -> None:
        self._dock.insertWidget(BODY_ROW, self.body)
        self.enlarge_button.show()
