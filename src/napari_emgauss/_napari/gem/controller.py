"""Particles to map between its form, the viewer and the session that trains."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import platformdirs

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import EXPLAINED, message_of, report
from napari_emgauss._napari.gem.particles.gallery_controller import GalleryController
from napari_emgauss._napari.gem.particles.selection import ParticleSelection
from napari_emgauss._napari.gem.result.controller import MapResultController
from napari_emgauss._napari.gem.result.drawing import DraftPicture, draw_draft, draw_resolution
from napari_emgauss._napari.gem.result.live_map import LiveMap
from napari_emgauss._napari.gem.view import STEPS, ParticlesView
from napari_emgauss._napari.training.closing import may_close
from napari_emgauss._napari.training.progress import point_of
from napari_emgauss._napari.training.run import TrainingRun
from napari_emgauss._napari.training.steps import Step
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.methods.gem import GaussianMap
from napari_emgauss.particles import Particles, box_choices
from napari_emgauss.session import Session
from napari_emgauss.training import Finished, FinishReason, Preview, Progress, RunConfig
from napari_emgauss.units import format_duration

PREVIEW_EVERY_S = 1.0
REST = 3.0
"""Pictures of the draft rest so many times as long as the last took: the processor is the training's."""
HALF_DONE = "half-done-particles"
FOUND_AGAIN = "and training the same particles with the same settings goes on from there."


@dataclass(frozen=True, eq=False)
class ParticlesRun:
    """A training and what it trains on."""

    training: TrainingRun
    particles: Particles
    layer: Any
    """Of the particles."""


class ParticlesController:
    """Training on the particles that are chosen: begun, watched and ended, with its map shown.

    Parameters
    ----------
    view
        The form, whose destruction ends everything.
    viewer
        The viewer itself, not a proxy.
    """

    def __init__(self, view: ParticlesView, viewer: Any) -> None:
        self.view, self._viewer = view, viewer
        self.selection = ParticleSelection(view.particles, viewer)
        self.gallery = GalleryController(view.gallery)
        self.result = MapResultController(view.result, viewer)
        self.run: ParticlesRun | None = None
        """The present training."""
        self._live: LiveMap | None = None
        self._drawing = Worker(view, name="emgauss-draft-map")
        self._draw_from = 0.0
        self._connections = Connections(view)
        self._connect()
        self._take_particles()
        self._show_result()

    def _connect(self) -> None:
        self.selection.changed.connect(self._take_particles)
        self.view.settings.changed.connect(self._on_edited)
        self.result.changed.connect(self._take_result)
        self.view.bar.wanted.connect(self.go_to)
        panel = self.view.panel
        panel.train.connect(self.train)
        panel.pause.connect(self._pause)
        panel.resume.connect(self._resume)
        panel.stop.connect(self.stop)
        panel.discard.connect(self.discard)
        self._connections.connect(self._viewer.layers.events.removed, self._on_layer_removed)

    @property
    def busy(self) -> bool:
        """Whether particles are read or trained on, or something is drawn."""
        drawing = self._drawing.busy or self.result.busy or self.gallery.busy
        return self.run is not None or self.selection.busy or drawing

    def particles(self) -> Particles | None:
        """Return the particles as they are chosen, in the box that is chosen."""
        particles, box = self.selection.particles, self.view.settings.box_px
        return None if particles is None or box is None else particles.with_box(box)

    def train(self) -> None:
        """Start a training with what is entered."""
        particles = self.particles()
        if self.run is not None or particles is None:
            return
        session = Session(
            particles,
            method="gem",
            run_config=RunConfig(preview_every_s=PREVIEW_EVERY_S, validate_every=5),
            checkpoints_in=platformdirs.user_cache_path("napari-emgauss") / HALF_DONE,
            **self.view.settings.arguments(),
        )
        training = TrainingRun(
            session,
            on_progress=self._on_progress,
            on_preview=self._on_preview,
            on_improved=self._draw_draft,
            on_finished=self._on_finished,
        )
        self.run = ParticlesRun(training, particles, self.selection.layer)
        self._live, self._draw_from = LiveMap(self._viewer), 0.0
        self.view.fsc.clear()
        self.gallery.predict_by(None)
        self.view.show_editable(editable=False)
        self.view.panel.show_running()
        self.view.bar.show_training()
        self.view.reveal_panel()
        self._tell()
        training.start()

    def go_to(self, step: Step) -> None:
        """Show a step, with the box that it begins with."""
        if step in (Step.TRY, Step.TRAIN) and self.run is None:
            self.view.settings.take_box(small=step is Step.TRY)
        self.view.show_step(step)
        self._tell()

    def _tell(self) -> None:
        """Say what comes next."""
        self.view.bar.show_state(
            STEPS,
            can_train=self.view.panel.train_button.isEnabled(),
            training=self.view.panel.runs,
            has_result=self.result.model is not None,
        )

    def stop(self) -> None:
        """End the training and keep what was learned; once more: at once."""
        if self.run is not None:
            self.run.training.session.stop()
            self.view.panel.show_ending()

    def discard(self) -> None:
        """End the training and throw away what was learned."""
        if self.run is not None:
            self.run.training.session.discard(wait=False)
            self.view.panel.show_ending()

    def close(self) -> None:
        """End the training, whose checkpoint stays; the form is gone."""
        self._connections.close()
        if self.run is not None:
            self.run.training.close()

    def may_end(self) -> bool:
        """Ask before a training ends with the dock or the window."""
        return self.run is None or may_close(self.view, f"Map of {self.run.layer.name}", FOUND_AGAIN)

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        self._remove_live()
        self.view.panel.leave()

    def _pause(self) -> None:
        if self.run is not None:
            self.run.training.pause()

    def _resume(self) -> None:
        if self.run is not None:
            self.run.training.resume()

    def _on_progress(self, records: list[Progress]) -> None:
        self.view.panel.show_progress([point_of(record) for record in records])

    def _on_preview(self, _preview: Preview) -> None:
        """Time has passed: the draft, which has both halves, is drawn instead of the one in training."""
        self._draw_draft()

    def _draw_draft(self) -> None:
        run = self.run
        if run is None or run.training.session.draft is None or self._drawing.busy:
            return
        if time.monotonic() < self._draw_from:
            return
        draft = run.training.session.draft
        self._drawing.submit(lambda: draw_draft(draft), done=lambda drawn: self._show_draft(run, drawn))

    def _show_draft(self, run: ParticlesRun, drawn: DraftPicture | None) -> None:
        if drawn is None or run is not self.run or self._live is None:
            return
        self._draw_from = time.monotonic() + REST * drawn.seconds
        self._hide_particles()
        self._live.show(drawn.layer_data)
        first = not self.view.fsc.has_curves
        self.view.fsc.show_curves(drawn.curves)
        if first:
            self.view.reveal_panel()
        draft = run.training.session.draft
        self.gallery.predict_by(lambda indices: draft.images(run.particles, indices))

    def _on_finished(self, end: Finished) -> None:
        run, self.run = self.run, None
        self._drawing.forget()
        if run is None:
            return
        session = run.training.session
        try:
            model: GaussianMap = session.result()
        except BaseException as error:  # noqa: BLE001 - whatever ended the training is told to the person
            if session.status.message or end.reason is FinishReason.FAILED:
                self._on_failed(error)
            else:
                session.forget_checkpoint()
                self._cease("Discarded.")
            return
        early = " (stopped early)" if end.reason is FinishReason.STOPPED else ""
        done = f"Done{early} in {format_duration(end.seconds)}: {model.n_gaussians:,} Gaussians."
        self.view.panel.status.setText("Drawing the map…")

        def drawn() -> None:
            session.forget_checkpoint()
            self._cease(done)

        self.result.add(model, f"Map of {run.layer.name}", drawn=drawn, failed=self._on_failed)

    def _on_failed(self, error: BaseException) -> None:
        report(error)
        self._cease(message_of(error))

    def _cease(self, message: str) -> None:
        """Show that nothing runs any more."""
        self._remove_live()
        self.view.show_editable(editable=True)
        self.view.panel.show_idle(message)
        self._on_edited()
        self._show_result()

    def _remove_live(self) -> None:
        self._drawing.forget()
        if self._live is not None:
            self._live.remove()
        self._live = None

    def _hide_particles(self) -> None:
        """Make room for the map, when it is first shown."""
        if self._live is not None and not self._live.shown and self.run is not None:
            self.run.layer.visible = False

    def _on_layer_removed(self, event: Any) -> None:
        if self.run is not None and event.value is self.run.layer:
            from napari.utils.notifications import show_info

            if not self.run.training.session.control.stopped:
                self.stop()
            show_info(f"{event.value.name} was removed, so the training ends; what was learned is kept.")

    def _take_particles(self) -> None:
        particles = self.selection.particles
        if particles is not None:
            self.view.settings.offer_boxes(box_choices(particles))
        self.gallery.show_particles(particles)
        self._on_edited()
        self._show_result()

    def _take_result(self) -> None:
        """Another result is looked at."""
        if self.result.model is not None and not self.view.panel.runs:
            self.view.bar.show_step(Step.LOOK)
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
