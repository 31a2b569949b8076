"""Particles to map between its form, the viewer and the session that trains."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from napari_emgauss._napari.controls.notify import EXPLAINED, message_of
from napari_emgauss._napari.gem.particles.gallery_controller import GalleryController
from napari_emgauss._napari.gem.particles.selection import ParticleSelection
from napari_emgauss._napari.gem.result.controller import MapResultController
from napari_emgauss._napari.gem.result.drawing import DraftPicture, draw_draft, draw_resolution
from napari_emgauss._napari.gem.result.live_map import LiveMap
from napari_emgauss._napari.gem.view import STEPS, ParticlesView
from napari_emgauss._napari.training.steps_controller import LayersRun, StepsController
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.methods.gem import GaussianMap
from napari_emgauss.particles import Particles, box_choices
from napari_emgauss.training import Finished, Preview

REST = 3.0
"""Pictures of the draft rest so many times as long as the last took: the processor is the training's."""


class ParticlesController(StepsController):
    """Training on the particles that are chosen: begun, watched and ended, with its map shown.

    Parameters
    ----------
    view
        The form, whose destruction ends everything.
    viewer
        The viewer itself, not a proxy.
    """

    method = "gem"
    half_done = "half-done-particles"
    found_again = "and training the same particles with the same settings goes on from there."
    drawing = "Drawing the map…"
    preview_every_s = 1.0
    view: ParticlesView

    def __init__(self, view: ParticlesView, viewer: Any) -> None:
        super().__init__(view, viewer, STEPS)
        self.selection = ParticleSelection(view.particles, viewer)
        self.gallery = GalleryController(view.gallery)
        self.result = MapResultController(view.result, viewer)
        self._live: LiveMap | None = None
        self._drawing = Worker(view, name="emgauss-draft-map")
        self._draw_from = 0.0
        self.selection.changed.connect(self._take_particles)
        self.result.changed.connect(self._take_result)
        self._take_particles()

    @property
    def busy(self) -> bool:
        """Whether particles are read or trained on, or something is drawn."""
        drawing = self._drawing.busy or self.result.busy or self.gallery.busy
        return self.run is not None or self.selection.busy or drawing

    @property
    def has_result(self) -> bool:
        """Whether there is a map to look at."""
        return self.result.model is not None

    def particles(self) -> Particles | None:
        """Return the particles as they are chosen, in the box that is chosen."""
        particles, box = self.selection.particles, self.view.settings.box_px
        return None if particles is None or box is None else particles.with_box(box)

    def train(self) -> None:
        """Start a training with what is entered."""
        particles, layer = self.particles(), self.selection.layer
        if self.run is not None or particles is None or layer is None:
            return
        self._live, self._draw_from = LiveMap(self._viewer), 0.0
        self.view.fsc.clear()
        self.gallery.predict_by(None)
        self._show_running()
        self._begin(particles, [layer], f"{layer.name} · map", self.view.settings.arguments())

    def _on_preview(self, preview: Preview) -> None:
        """Time has passed: the draft, which has both halves, is drawn instead of the one in training."""
        self._on_improved()

    def _on_improved(self) -> None:
        run = self.run
        if run is None or run.training.session.draft is None or self._drawing.busy:
            return
        if time.monotonic() < self._draw_from:
            return
        draft = run.training.session.draft
        self._drawing.submit(lambda: draw_draft(draft), done=lambda drawn: self._show_draft(run, drawn))

    def _show_draft(self, run: LayersRun, drawn: DraftPicture | None) -> None:
        if drawn is None or run is not self.run or self._live is None:
            return
        self._draw_from = time.monotonic() + REST * drawn.seconds
        if not self._live.shown:
            run.layers[0].visible = False  # makes room for the map
        self._live.show(drawn.layer_data)
        first = not self.view.fsc.has_curves
        self.view.fsc.show_curves(drawn.curves)
        if first:
            self.view.reveal_panel()
        draft = run.training.session.draft
        self.gallery.predict_by(lambda indices: draft.images(run.data, indices))

    def _on_finished(self, end: Finished) -> None:
        self._drawing.forget()
        super()._on_finished(end)

    def _add_result(self, model: GaussianMap, run: LayersRun, drawn: Callable[[], None]) -> None:
        self.result.add(model, run.name, drawn=drawn, failed=self._on_failed)

    def _cease(self, message: str) -> None:
        super()._cease(message)
        self._show_result()

    def _remove_live(self) -> None:
        self._drawing.forget()
        if self._live is not None:
            self._live.remove()
        self._live = None

    def _take_particles(self) -> None:
        particles = self.selection.particles
        if particles is not None:
            self.view.settings.offer_boxes(box_choices(particles))
        self.gallery.show_particles(particles)
        self._on_edited()
        self._show_result()

    def _take_result(self) -> None:
        """Another result is looked at."""
        self._look()
        self._show_result()

    def _show_result(self) -> None:
        """Show how far the chosen result can be trusted, and what it says of the particles."""
        if self.run is not None:
            return
        self._tell()
        model, particles = self.result.model, self.selection.particles
        self._drawing.forget()
        if model is None:
            self.view.fsc.clear()
            self.gallery.predict_by(None)
            return
        self._drawing.submit_newest(lambda: draw_resolution(model), done=self.view.fsc.show_curves)
        if particles is not None:
            self.gallery.predict_by(lambda indices: model.images(particles.with_box(model.box_px), indices))

    def _on_edited(self) -> None:
        """Something was changed: find out whether it can be trained."""
        if self.run is not None:
            return
        problem = ""
        try:
            ready = self.particles() is not None
            self.view.settings.check()
        except EXPLAINED as error:
            ready, problem = False, message_of(error)
        self.view.show_problem(problem)
        self.view.panel.train_button.setEnabled(ready)
        self._tell()
