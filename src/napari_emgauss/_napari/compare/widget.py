"""The widget 'Compare': a reconstruction beside plain interpolation, and whether it pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from superqt import QLabeledDoubleSlider

from napari_emgauss._napari.compare.drawing import CUTS, Drawing
from napari_emgauss._napari.compare.form import CompareForm, describe_place, title
from napari_emgauss._napari.compare.panes import Panes, PanesWindow
from napari_emgauss._napari.compare.scores import Scores, label_of
from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import EXPLAINED, message_of, report
from napari_emgauss._napari.controls.scroll import VerticalScroll
from napari_emgauss._napari.viewer.docked import EndsWithDock
from napari_emgauss._napari.viewer.regions import section_in_view
from napari_emgauss._napari.workers.background import Background
from napari_emgauss.evaluation import GreyImages, PlainStack, SideBySide, held_out_sections
from napari_emgauss.volume import Volume

if TYPE_CHECKING:
    import napari

SETTLE_MS = 40
"""Moves within this time are drawn at once."""
BODY_ROW = 2
LEAST_WIDTH_PX = 340


class CompareWidget(QWidget):
    """Dock widget.

    Parameters
    ----------
    viewer
        The viewer that it is docked in.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        EndsWithDock(self)
        self._viewer = viewer
        self._connections = Connections(self)
        self._making = Background(self, name="emgauss-interpolate")
        self._drawing = Drawing(
            self, prepared=self._take_pair, drawn=self._show, cut=self._show_cuts, failed=self._fail
        )
        self._pair: SideBySide | None = None
        self._place = [0.0, 0, 0]
        self._shown: dict[str, GreyImages] = {}
        self._due: set[str] = set()
        self._viewer_z: float | None = None
        self._window: PanesWindow | None = None
        self._settled = QTimer(self)
        self.form = CompareForm(viewer)
        self.hint = QLabel()
        self.body = QWidget()
        self.panes = Panes()
        self._scores_title = title("On held-out sections")
        self.scores = Scores()
        self.z = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.where = QLabel()
        self.held_out_button = QPushButton("Next held-out section")
        self.enlarge_button = QPushButton("Enlarge")
        self._set_up()
        self._lay_out()
        self._connect()
        self._take_theme()
        self._take_model()

    @property
    def busy(self) -> bool:
        """Whether something is still to be drawn."""
        return self._drawing.busy or self._settled.isActive() or self._making.busy

    def _set_up(self) -> None:
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLE_MS)
        for label in (self.hint, self.where):
            label.setWordWrap(True)
        self.z.setDecimals(2)
        self.z.setToolTip("Depth, counted in sections: 2.5 is halfway between sections 2 and 3.")
        self.held_out_button.setToolTip("Go to a section that neither EMGauss nor the interpolation has seen.")
        self.enlarge_button.setToolTip("Show the images in a window of their own.")

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

    def _connect(self) -> None:
        self.form.model_changed.connect(self._take_model)
        self.form.baseline_changed.connect(lambda: self._prepare())
        self.scores.chosen.connect(self.form.choose_baseline)
        self.scores.wanted.connect(self.interpolate)
        self.panes.moved.connect(self._line_moved)
        self.z.valueChanged.connect(lambda z: self.go_to(z=z))
        self.form.third_changed.connect(self._show_all)
        self.held_out_button.clicked.connect(lambda: self.go_to_held_out())
        self.enlarge_button.clicked.connect(lambda: self.enlarge())
        self._settled.timeout.connect(self._draw)
        self._connections.connect(self._viewer.events.theme, self._take_theme)
        self._connections.connect(self._viewer.dims.events.point, self._follow_viewer)

    def go_to(self, *, z: float | None = None, y: float | None = None, x: float | None = None) -> None:
        """Show the section at coordinate ``z`` and the cuts at the pixels ``y`` and ``x``."""
        if self._pair is None:
            return
        shape = self._pair.reconstruction.shape
        before = list(self._place)
        if z is not None:
            self._place[0] = min(max(float(z), 0.0), float(shape[0] - 1))
        for axis, value in ((1, y), (2, x)):
            if value is not None:
                self._place[axis] = min(max(round(value), 0), shape[axis] - 1)
        for axis, place in enumerate(("xy", "xz", "yz")):
            if self._place[axis] != before[axis]:
                self._due.add(place)
        self._show_place()
        if self._due and not self._settled.isActive():
            self._settled.start()

    def go_to_held_out(self) -> None:
        """Go to the next held-out section, from the last one to the first."""
        sections = held_out_sections(self._pair.reconstruction) if self._pair else ()
        if sections:
            self.go_to(z=next((s for s in sections if s > self._place[0] + 1e-3), sections[0]))

    def enlarge(self) -> None:
        """Show the images in a window of their own, which gives them back when it is closed."""
        if self._window is None:
            self._window = PanesWindow(self)
            self._window.closed.connect(self._dock_body)
        self._window.take(self.body)
        self.enlarge_button.hide()

    def interpolate(self, method: str) -> None:
        """Add the stack, interpolated to cubic voxels by ``method``, as a layer."""
        model = self.form.model
        if model is None:
            return
        reconstruction = model.reconstruction
        plain = PlainStack(self.form.volume(), method, leave_out=reconstruction.left_out)

        def show(volume: Volume) -> None:
            place = model.placement.attributes(volume.voxel_size_nm, reconstruction.origin_nm)
            name = f"{label_of(method)} (isotropic)"
            self._viewer.add_image(volume.data, name=name, metadata=dict(volume.metadata), **place)

        self._making.submit(plain.resample, done=show)

    def _dock_body(self) -> None:
        self._dock.insertWidget(BODY_ROW, self.body)
        self.enlarge_button.show()

    def _take_model(self) -> None:
        """Another model or stack was chosen, or none is left."""
        self._forget()
        self.scores.clear()
        volume, model = self._prepare(), self.form.model
        if volume is not None and model is not None:
            self.scores.score(model.reconstruction, volume)

    def _prepare(self) -> Volume | None:
        """Get ready to draw with the chosen interpolation; the stack, or None where there is nothing to compare."""
        try:
            volume = self.form.volume()
        except EXPLAINED as error:
            self._set_hint(message_of(error))
            return None
        self._set_hint("")
        if self.form.model is not None:
            self._drawing.prepare(self.form.model.reconstruction, volume, self.form.baseline)
        return volume

    def _take_pair(self, pair: SideBySide) -> None:
        model = self.form.model
        if model is None or pair.reconstruction is not model.reconstruction:
            return
        new = self._pair is None
        self.z.setRange(0, pair.reconstruction.shape[0] - 1)
        self._pair = pair
        self._due = {"xy", *CUTS}
        self._show_titles()
        if new:
            self._viewer_z = self._viewer.dims.point[-3] if self._viewer.dims.ndim > 2 else None
            n, height, width = pair.reconstruction.shape
            sections = held_out_sections(pair.reconstruction)
            self._place = [float(sections[0]) if sections else (n - 1) // 2 + 0.5, height // 2, width // 2]
            self.held_out_button.setVisible(bool(sections))
            _, dy, dx = pair.reconstruction.voxel_size_nm
            self.panes.set_grid((len(pair.depths), height, width), (pair.depth_step_nm, dy, dx))
        self._show_place()
        self._draw()

    def _draw(self) -> None:
        """Draw what is due, off the GUI thread: the section first, then the cuts."""
        if self._pair is None:
            return
        z, y, x = self._place
        if "xy" in self._due:
            self._due.discard("xy")
            self._drawing.section(self._pair, z)
        indices = {place: int(index) for place, index in (("xz", y), ("yz", x)) if place in self._due}
        if indices:
            self._drawing.cuts(self._pair, indices)

    def _show_cuts(self, pair: SideBySide, indices: dict[str, int], images: dict[str, GreyImages]) -> None:
        # Cuts that were moved on from meanwhile are shown, but are still due where we are.
        self._due -= {place for place in images if indices[place] == self._place[CUTS[place]]}
        self._show(pair, images)

    def _show(self, pair: SideBySide, images: dict[str, GreyImages]) -> None:
        if pair is not self._pair:
            return
        for place, drawn in images.items():
            self._shown[place] = drawn
            names = self._columns()
            small = drawn.overview or drawn
            self.panes.show_images(place, [(getattr(drawn, name), getattr(small, name)) for name in names])

    def _show_all(self) -> None:
        """Show the chosen columns of what is drawn already."""
        self._show_titles()
        if self._pair is not None:
            self._show(self._pair, dict(self._shown))

    def _columns(self) -> list[str]:
        return ["reconstruction", "interpolation", *([self.form.third] if self.form.third else [])]

    def _show_titles(self) -> None:
        titles = ["EMGauss", label_of(self.form.baseline.name), self.form.thirds.currentText()]
        self.panes.show_columns(titles[: len(self._columns())])

    def _show_place(self) -> None:
        """Slider, lines and words where we are."""
        if self._pair is None:
            return
        z, y, x = self._place
        reconstruction = self._pair.reconstruction
        dz = reconstruction.voxel_size_nm[0]
        self.z.blockSignals(True)
        self.z.setValue(z)
        self.z.blockSignals(False)
        self.panes.set_lines(z * dz / self._pair.depth_step_nm, y, x)
        self.where.setText(f"{z * dz:.0f} nm deep: {describe_place(z, reconstruction)}")

    def _line_moved(self, axis: int, position: float) -> None:
        if self._pair is not None:
            z = position * self._pair.depth_step_nm / self._pair.reconstruction.voxel_size_nm[0]
            self.go_to(**{"zyx"[axis]: z if axis == 0 else position})

    def _follow_viewer(self, _: Any = None) -> None:
        """Go to the depth that the viewer went to."""
        model, point = self.form.model, self._viewer.dims.point
        if model is None or self._pair is None or len(point) < 3:
            return
        moved, self._viewer_z = self._viewer_z != point[-3], point[-3]
        if moved:
            self.go_to(z=section_in_view(self._viewer, model.reconstruction, model.placement.nm_per_unit))

    def _take_theme(self, _: Any = None) -> None:
        from napari.utils.theme import get_theme

        theme = get_theme(self._viewer.theme)
        self.panes.set_colours(theme.text.as_hex(), theme.current.as_hex())

    def _fail(self, error: BaseException) -> None:
        self._forget()
        self._set_hint(message_of(error))
        report(error)

    def _forget(self) -> None:
        self._drawing.forget()
        self._settled.stop()
        self._pair = None
        self._shown.clear()

    def _set_hint(self, text: str) -> None:
        self.hint.setText(text)
        self.hint.setVisible(bool(text))
        for widget in (self.body, self._scores_title, self.scores):
            widget.setVisible(not text)
        if text and self._window is not None:
            self._window.close()
