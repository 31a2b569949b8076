"""Dock widget *Explore z*: look at a reconstruction at any depth."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import report
from napari_emgauss._napari.explore.drawing import Picture, draw, mean_error
from napari_emgauss._napari.explore.form import ExploreForm
from napari_emgauss._napari.explore.layer import SectionLayer, Stage
from napari_emgauss._napari.explore.scrub import SAME_Z, Drawing, Scrubber, Visible
from napari_emgauss._napari.explore.uncertainty import NONE, TIP, UncertaintyLayer
from napari_emgauss._napari.viewer.docked import EndsWithDock
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss._napari.viewer.virtual import volume_for_layer
from napari_emgauss._napari.workers.background import Background

if TYPE_CHECKING:
    import napari

FRAME_MS, POLL_MS = 33, 3
REST_MS = 150
NO_MODEL = "No model yet: train one in 'Reconstruct' or open a .emgauss file."
OTHER_VIEW = "Sections are shown in the 2D view along z. Switch the viewer back (the 2D/3D and roll buttons below it)."
DELETED = "The layer 'Explore z' was deleted. It comes back when you move the slider."
HIDDEN = "The layer 'Explore z' is hidden: switch on its eye in the layer list."


class ExploreWidget(ExploreForm):
    """Continuous position along z, drawn into one layer that overlays the stack.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        EndsWithDock(self).taken_out.connect(self._leave)
        self._viewer: Any = getattr(viewer, "__wrapped__", viewer)
        self._models = open_models(viewer)
        self._scrub: Scrubber | None = None
        self._section = SectionLayer(self._viewer)
        self._uncertainty = UncertaintyLayer(self._viewer)
        self._stage = Stage(self._viewer)
        self._background = Background(self, name="emgauss-explore", poll_ms=POLL_MS)
        self._connections = Connections(self)
        self._steering = False
        self._played_at_s = 0.0
        self._frame, self._rest, self._player = QTimer(self), QTimer(self), QTimer(self)
        self._frame.setSingleShot(True)
        self._rest.setSingleShot(True)
        self._frame.timeout.connect(self._draw_waiting)
        self._rest.timeout.connect(self._draw_sharp)
        self._player.timeout.connect(self._play_on)
        self._waiting = False
        self._connect()
        self._list_models()

    def _connect(self) -> None:
        self.models.currentIndexChanged.connect(self._on_model_chosen)
        self.slider.valueChanged.connect(self.go_to)
        self.play.toggled.connect(self._on_play)
        self.uncertainty.toggled.connect(self._on_uncertainty)
        self.volume.clicked.connect(self.show_volume)
        self.previous_section.clicked.connect(lambda: self._step("next_observed", -1))
        self.next_section.clicked.connect(lambda: self._step("next_observed", 1))
        self.previous_plane.clicked.connect(lambda: self._step("next_plane", -1))
        self.next_plane.clicked.connect(lambda: self._step("next_plane", 1))
        self.marks.chosen.connect(self.go_to)
        viewer, connect = self._viewer, self._connections.connect
        connect(self._models.added, self._on_models_changed)
        connect(self._models.removed, self._on_models_changed)
        connect(viewer.layers.events.removed, self._on_layer_removed)
        connect(viewer.dims.events.point, self._on_point)
        connect(viewer.dims.events.ndisplay, self._on_view)
        connect(viewer.dims.events.order, self._on_view)
        connect(self._stage.camera.events.zoom, self._on_camera)
        connect(self._stage.camera.events.center, self._on_camera)

    @property
    def model(self) -> OpenModel | None:
        """The chosen model."""
        chosen: OpenModel | None = self.models.currentData()
        return chosen

    @property
    def z(self) -> float:
        """Section coordinate."""
        return 0.0 if self._scrub is None else self._scrub.z

    @property
    def layer(self) -> Any | None:
        """The layer that is drawn into, while it exists."""
        return self._section.layer

    @property
    def busy(self) -> bool:
        """Whether something is being drawn or about to be."""
        return self._waiting or self._rest.isActive() or self._background.busy

    def go_to(self, z: float) -> None:
        """Show section coordinate ``z``; napari's slider follows."""
        if self._scrub is None:
            return
        self._scrub.z = self._scrub.clip(z)
        self._show_position()
        self._draw_soon()

    def show_volume(self) -> Any | None:
        """Add the model as a virtual isotropic volume."""
        model = self.model
        if model is None:
            return None
        volume = volume_for_layer(model.reconstruction, self._viewer)
        source = model.source_layer or self._section.layer
        looks = {} if source is None else {k: getattr(source, k) for k in ("contrast_limits", "colormap", "gamma")}
        if not looks:
            looks = {"contrast_limits": model.reconstruction.display_range}
        place = model.placement.attributes(volume.voxel_size_nm, model.reconstruction.origin_nm)
        layer = self._viewer.add_image(volume, name=f"{model.name} (isotropic)", **place, **looks)
        if self._section.layer is not None:
            self._section.layer.visible = False
        self._on_view()
        return layer

    def _list_models(self) -> None:
        chosen = self.model
        self.models.blockSignals(True)
        self.models.clear()
        for model in self._models:
            self.models.addItem(model.name, model)
        index = next((i for i, model in enumerate(self._models) if model is chosen), len(self._models) - 1)
        self.models.setCurrentIndex(index)
        self.models.blockSignals(False)
        if self.model is not chosen or chosen is None:
            self._on_model_chosen()

    def _on_models_changed(self, _model: OpenModel) -> None:
        self._list_models()

    def _on_model_chosen(self, _index: int = 0) -> None:
        model = self.model
        self.play.setChecked(False)
        self.controls.setEnabled(model is not None)
        self.models.setEnabled(model is not None)
        self._background.forget()
        self._uncertainty.hide()
        has_uncertainty = model is not None and model.reconstruction.has_uncertainty
        self.uncertainty.setEnabled(has_uncertainty)
        self.uncertainty.setToolTip(TIP if has_uncertainty else NONE)
        self.uncertainty.setChecked(self.uncertainty.isChecked() and has_uncertainty)
        if model is None:
            self._scrub = None
            self._on_view()
            return
        self._scrub = Scrubber(model, self._stage.z(model) if self._stage.shows_sections else 0.0)
        rec, n = model.reconstruction, model.reconstruction.shape[0]
        self.slider.blockSignals(True)
        self.slider.setRange(0, n - 1)
        self.slider.setSingleStep(self._scrub.plane)  # type: ignore[arg-type]
        self.slider.blockSignals(False)
        self.marks.set_sections(n, held_out=rec.held_out, left_out=rec.left_out)
        self._show_position()
        self._on_view()
        if self._section.layer is not None:
            self._draw_soon()

    def _step(self, kind: str, direction: int) -> None:
        if self._scrub is not None:
            self.go_to(getattr(self._scrub, kind)(direction))

    def _on_play(self, playing: bool) -> None:
        self.play.setText("Pause" if playing else "Play")
        self._played_at_s = time.perf_counter()
        self._player.start(FRAME_MS) if playing else self._player.stop()

    def _play_on(self) -> None:
        now = time.perf_counter()
        # A frame that was held up must not make the picture jump.
        seconds, self._played_at_s = min(now - self._played_at_s, 0.25), now
        if self._scrub is not None and self._stage.shows_sections:
            self.go_to(self._scrub.after(seconds, speed=self.speed.value()))

    def _show_position(self) -> None:
        assert self._scrub is not None
        self.slider.blockSignals(True)
        self.slider.setValue(self._scrub.z)
        self.slider.blockSignals(False)
        kind = "observed section" if self._scrub.is_observed else "reconstructed"
        self.depth_label.setText(f"Depth {self._scrub.depth_text}: {kind}")

    def _steer(self, *, exactly: bool = False) -> bool:
        """Move layer and napari's slider to the present position; whether the layers were sliced again."""
        if self._scrub is None or not self._stage.shows_sections:
            return False
        self._steering = True
        try:
            for layer in (self._section, self._uncertainty):
                layer.move(self._scrub.model, self._scrub.z, exactly=exactly)
            return self._stage.go_to(self._scrub.model, self._scrub.z)
        finally:
            self._steering = False

    def _on_point(self, _event: Any) -> None:
        """Follow napari's slider, unless it was ours that moved it."""
        if self._steering or self._scrub is None or not self._stage.shows_sections:
            return
        z = self._scrub.clip(self._stage.z(self._scrub.model))
        if abs(z - self._scrub.z) < SAME_Z:
            return
        self._scrub.z = z
        self._show_position()
        self._section.move(self._scrub.model, z, exactly=False)
        self._draw_soon()

    def _on_view(self, _event: Any = None) -> None:
        """Say what to do where sections cannot be shown."""
        text = ""
        if self._scrub is None:
            text = NO_MODEL
        elif not self._stage.shows_sections:
            text = OTHER_VIEW
        elif self._section.layer is not None and not self._section.layer.visible:
            text = HIDDEN
        self.status.setText(text)
        self.status.setVisible(bool(text))
        if not text and self.uncertainty.isChecked() and self._uncertainty.layer is None:
            self._rest.start(REST_MS)

    def _on_camera(self, _event: Any) -> None:
        """Draw what came into view, or sharper, once the view rests."""
        if self._section.layer is not None and self._scrub is not None:
            self._rest.start(REST_MS)

    def _on_uncertainty(self, wanted: bool) -> None:
        """Draw the uncertainty over the section, or take it away."""
        if wanted:
            self._draw_soon()
        else:
            self._uncertainty.hide()

    def _leave(self) -> None:
        """The dock is closed: what makes no sense without it goes."""
        self.uncertainty.setChecked(False)

    def _on_layer_removed(self, event: Any) -> None:
        if self._uncertainty.layer is not None and event.value is self._uncertainty.layer:
            self._uncertainty.forget()
            self.uncertainty.setChecked(False)
        if self._section.layer is not None and event.value is self._section.layer:
            self._section.forget()
            self._background.forget()
            self._waiting = False
            self._rest.stop()
            self.play.setChecked(False)
            self.status.setText(DELETED)
            self.status.setVisible(True)

    def _draw_soon(self) -> None:
        """Draw now, or when the present frame's time is over; sharpen when the position rests."""
        self._on_view()
        self._waiting = True
        if not self._frame.isActive():
            self._draw_waiting()
        self._rest.start(REST_MS)

    def _draw_waiting(self) -> None:
        if self._waiting:
            self._waiting = False
            self._frame.start(FRAME_MS)
            # The picture takes napari's slider along when it comes: slicing large layers takes longer than drawing.
            if not self._draw(sharp=False):
                self._steer()

    def _draw_sharp(self) -> None:
        if not self._draw(sharp=True):
            self._steer(exactly=True)

    def _visible(self) -> Visible | None:
        hidden = self._section.layer is not None and not self._section.layer.visible
        if self._scrub is None or hidden or not self._stage.shows_sections:
            return None
        return self._stage.visible(self._scrub)

    def _draw(self, *, sharp: bool) -> bool:
        """Have a picture drawn, if one is needed; whether it will come."""
        visible, scrub = self._visible(), self._scrub
        if visible is None or scrub is None:
            return False
        drawing = scrub.resting(visible) if sharp else scrub.moving(visible)
        model = scrub.model
        with_error = self.uncertainty.isChecked()
        layers = (self._section, self._uncertainty) if with_error else (self._section,)
        if sharp and not self._background.busy and all(layer.shows(model, drawing) for layer in layers):
            return False
        rec, merged, density = model.reconstruction, scrub.merged, visible.density
        is_unknown = with_error and not self._uncertainty.knows(model)

        def work() -> tuple[Picture, float | None]:
            picture = draw(rec, drawing, density=density, merged=merged, with_error=with_error)
            return picture, mean_error(rec) if is_unknown else None

        self._background.submit(work, done=lambda result: self._take(scrub, drawing, *result), failed=self._fail)
        return True

    def _take(self, scrub: Scrubber, drawing: Drawing, picture: Picture, mean: float | None) -> None:
        scrub.took(drawing, picture.seconds)
        if scrub is not self._scrub:
            return
        if mean is not None:
            self._uncertainty.tell(scrub.model, mean)
        if drawing.moving and self._waiting:
            # The next picture is drawn by the worker while this one is shown.
            self._draw_waiting()
        is_new = self._section.layer is None
        self._steering = True
        try:
            unseen = self._show(scrub.model, drawing, picture)
        finally:
            self._steering = False
        if is_new and self._section.layer is not None:
            self._connections.connect(self._section.layer.events.visible, self._on_visible)
            self._uncertainty.lift()
        # The newest picture at the present depth, even while a newer one is being drawn.
        if not self._steer(exactly=not drawing.moving):
            for layer in unseen:
                layer.refresh()
        self._on_view()

    def _show(self, model: OpenModel, drawing: Drawing, picture: Picture) -> list[SectionLayer]:
        """Put a picture into its layers; those that the canvas does not show it of yet."""
        shown = {self._section: self._section.show(model, drawing, picture.image)}
        if picture.error is not None and self.uncertainty.isChecked() and self._uncertainty.knows(model):
            shown[self._uncertainty] = self._uncertainty.show(model, drawing, picture.error)
        return [layer for layer, is_shown in shown.items() if not is_shown]

    def _on_visible(self, _event: Any) -> None:
        self._draw_soon()

    def _fail(self, error: BaseException) -> None:
        self.play.setChecked(False)
        report(error)
