"""Explore z between its form, the open models and the viewer."""

from __future__ import annotations

from typing import Any

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import report
from napari_emgauss._napari.explore.canvas import SectionCanvas
from napari_emgauss._napari.explore.painter import Painter
from napari_emgauss._napari.explore.player import Player
from napari_emgauss._napari.explore.scrub import SAME_Z, Scrubber
from napari_emgauss._napari.explore.view import ExploreView
from napari_emgauss._napari.viewer.isotropic import add_isotropic
from napari_emgauss._napari.viewer.model_list import ModelList
from napari_emgauss._napari.viewer.models import NO_MODEL, OpenModel, OpenModels

OTHER_VIEW = "Sections are shown in the 2D view along z. Switch the viewer back (the 2D/3D and roll buttons below it)."
DELETED = "The layer of Explore z was deleted. It comes back when you move the slider."
HIDDEN = "The layer of Explore z is hidden: switch on its eye in the layer list."


class ExploreController:
    """Form, canvas and napari's slider, kept at one position.

    Parameters
    ----------
    view
        The form, whose destruction ends everything.
    viewer
        The viewer itself, not a proxy.
    models
        Open in the viewer; those with sections are offered.
    """

    def __init__(self, view: ExploreView, viewer: Any, models: OpenModels) -> None:
        self.view = view
        self.canvas = SectionCanvas(viewer)
        self.painter = Painter(view, self.canvas)
        self.player = Player(view)
        self._viewer = viewer
        self.scrub: Scrubber | None = None
        """Position on the chosen model."""
        self._connections = Connections(view)
        self._models = ModelList(view.models, models, self._connections, offers=lambda model: model.has_sections)
        self._connections.connect(models.improved, self._on_improved)
        self._connect_view()
        self._connect_viewer()
        self._choose_model()

    def _connect_view(self) -> None:
        view = self.view
        view.models.changed.connect(self._choose_model)
        view.moved.connect(self.go_to)
        view.section_stepped.connect(self._step_section)
        view.plane_stepped.connect(self._step_plane)
        view.play.toggled.connect(self.player.play)
        view.uncertainty.toggled.connect(self._on_uncertainty)
        view.volume.clicked.connect(self.show_volume)
        self.player.advanced.connect(self._advance)
        self.painter.changed.connect(self._show_status)
        self.painter.failed.connect(self._on_failed)

    def _connect_viewer(self) -> None:
        connect, dims, camera = self._connections.connect, self._viewer.dims.events, self.canvas.viewpoint.camera.events
        connect(self._viewer.layers.events.removed, self._on_layer_removed)
        connect(dims.point, self._on_point)
        for event in (dims.ndisplay, dims.order):
            connect(event, self._show_status)
        for event in (camera.zoom, camera.center):
            connect(event, self._on_camera)

    @property
    def model(self) -> OpenModel | None:
        """The chosen model."""
        return self._models.model

    @property
    def z(self) -> float:
        """Section coordinate."""
        return 0.0 if self.scrub is None else self.scrub.z

    @property
    def layer(self) -> Any | None:
        """The layer that is drawn into, while it exists."""
        return self.canvas.section.layer

    @property
    def busy(self) -> bool:
        """Whether something is being drawn or about to be."""
        return self.painter.busy

    def go_to(self, z: float) -> None:
        """Show section coordinate ``z``; napari's slider follows."""
        if self.scrub is not None:
            self.scrub.z = self.scrub.clip(z)
            self._show_position(self.scrub)
            self.painter.draw_soon()

    def show_volume(self) -> Any | None:
        """Add the model as a virtual isotropic volume."""
        if self.model is None:
            return None
        layer = add_isotropic(self._viewer, self.model, self.model.source_layer or self.layer)
        if self.layer is not None:
            self.layer.visible = False
        self._show_status()
        return layer

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        self.view.uncertainty.setChecked(False)

    def _choose_model(self) -> None:
        view, model = self.view, self.model
        view.play.setChecked(False)
        view.enable(enabled=model is not None)
        self.painter.forget()
        self.canvas.uncertainty.hide()
        view.offer_uncertainty(offered=model is not None and model.reconstruction.has_uncertainty)
        if model is None:
            scrub = None
        else:
            scrub = Scrubber(model, self.canvas.viewpoint.z(model) if self.canvas.viewpoint.shows_sections else 0.0)
            rec = model.reconstruction
            view.show_sections(rec.shape[0], step=scrub.plane, held_out=rec.held_out, left_out=rec.left_out)
            self._show_position(scrub)
        self.scrub = self.painter.scrub = scrub
        self._show_status()
        if scrub is not None and self.layer is not None:
            self.painter.draw_soon()

    def _step_section(self, direction: int) -> None:
        if self.scrub is not None:
            self.go_to(self.scrub.next_observed(direction))

    def _step_plane(self, direction: int) -> None:
        if self.scrub is not None:
            self.go_to(self.scrub.next_plane(direction))

    def _advance(self, seconds: float) -> None:
        if self.scrub is not None and self.canvas.viewpoint.shows_sections:
            self.go_to(self.scrub.after(seconds, speed=self.view.speed.value()))

    def _show_position(self, scrub: Scrubber) -> None:
        self.view.show_position(scrub.z, scrub.depth_text)

    def _show_status(self, _event: Any = None) -> None:
        """Say what to do where sections cannot be shown."""
        text = ""
        if self.scrub is None:
            text = NO_MODEL
        elif not self.canvas.viewpoint.shows_sections:
            text = OTHER_VIEW
        elif self.canvas.hidden:
            text = HIDDEN
        self.view.show_status(text)
        if not text and self.view.uncertainty.isChecked() and self.canvas.uncertainty.layer is None:
            self.painter.sharpen_soon()

    def _on_point(self, _event: Any) -> None:
        """Follow napari's slider, unless it was ours that moved it."""
        scrub = self.scrub
        if self.canvas.steering or scrub is None or not self.canvas.viewpoint.shows_sections:
            return
        z = scrub.clip(self.canvas.viewpoint.z(scrub.model))
        if abs(z - scrub.z) < SAME_Z:
            return
        scrub.z = z
        self._show_position(scrub)
        self.canvas.section.move(scrub.model, z, exactly=False)
        self.painter.draw_soon()

    def _on_improved(self, model: OpenModel) -> None:
        """Draw a draft anew that became better."""
        if model is self.model and self.layer is not None:
            self.painter.draw_soon()

    def _on_camera(self, _event: Any) -> None:
        """Draw what came into view, or sharper, once the view rests."""
        if self.layer is not None and self.scrub is not None:
            self.painter.sharpen_soon()

    def _on_uncertainty(self, wanted: bool) -> None:
        """Draw the uncertainty over the section, or take it away."""
        self.painter.with_error = wanted
        if wanted:
            self.painter.draw_soon()
        else:
            self.canvas.uncertainty.hide()

    def _on_layer_removed(self, event: Any) -> None:
        uncertainty = self.canvas.uncertainty
        if uncertainty.layer is not None and event.value is uncertainty.layer:
            uncertainty.forget()
            self.view.uncertainty.setChecked(False)
        if self.layer is not None and event.value is self.layer:
            self.canvas.section.forget()
            self.painter.cease()
            self.view.play.setChecked(False)
            self.view.show_status(DELETED)

    def _on_failed(self, error: BaseException) -> None:
        self.view.play.setChecked(False)
        report(error)
