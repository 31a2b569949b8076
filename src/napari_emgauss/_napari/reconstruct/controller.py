"""Reconstruct between its form, the viewer and the session that trains."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
from psygnal import Signal

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import EXPLAINED, message_of, report
from napari_emgauss._napari.controls.preferences import keeps_models
from napari_emgauss._napari.reconstruct.costs import CostEstimate
from napari_emgauss._napari.reconstruct.half_done import HalfDone, half_done_in
from napari_emgauss._napari.reconstruct.models.actions import ModelActions
from napari_emgauss._napari.reconstruct.models.recent import RecentModels
from napari_emgauss._napari.reconstruct.models.saved import SavedModels, models_folder
from napari_emgauss._napari.reconstruct.stack.check import SectionCheck
from napari_emgauss._napari.reconstruct.stack.choice import StackChoice
from napari_emgauss._napari.reconstruct.stack.trained import StackRun, TrainedStack
from napari_emgauss._napari.reconstruct.training_layers import TrainingLayers
from napari_emgauss._napari.reconstruct.view import ReconstructView
from napari_emgauss._napari.training.closing import may_close
from napari_emgauss._napari.training.progress import ask_for_preview, point_of
from napari_emgauss._napari.viewer.docked import show_widget
from napari_emgauss._napari.viewer.layers import LayerPlacement, stack_of
from napari_emgauss._napari.viewer.model_list import ModelList
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels
from napari_emgauss._napari.viewer.regions import pixel_in_view, section_in_view
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss._types import Region
from napari_emgauss.errors import VolumeError
from napari_emgauss.evaluation import plain_levels
from napari_emgauss.io.store import JobFolder
from napari_emgauss.methods.emgauss import describe_evidence, describe_sections, hidden_in_words
from napari_emgauss.methods.emgauss.estimate import Estimate
from napari_emgauss.session import Session
from napari_emgauss.training import Finished, FinishReason, Progress, RunConfig
from napari_emgauss.units import format_duration
from napari_emgauss.volume import Volume

PREVIEW_EVERY_S = 1.0
NEW_MODEL = "A new model"
DISCARDED = "Nothing was kept."
FOUND_AGAIN = "and is found here again when you open the stack."


class ReconstructController:
    """Training on what is entered: begun, watched and ended, with its model opened.

    Parameters
    ----------
    view
        The form, whose destruction ends everything.
    viewer
        The viewer itself, not a proxy.
    models
        Those of the viewer.
    """

    changed = Signal()
    """A training began or ended, or what is entered can, or cannot, be trained on now."""

    def __init__(self, view: ReconstructView, viewer: Any, models: OpenModels) -> None:
        self.view = view
        self.problem = ""
        """What keeps the stack from being trained on, in words."""
        self.stack = StackChoice(view.stack, viewer)
        self.check = SectionCheck(view.check, self.stack)
        self.actions = ModelActions(view.next_steps, viewer, models)
        self.run: StackRun | None = None
        """The present training."""
        self._announced: Estimate | None = None
        """Costs of the present training, where they were known when it began."""
        self._viewer, self._models = viewer, models
        self._layers = TrainingLayers(view, viewer, models)
        self.recent = RecentModels(view.models, viewer, models, SavedModels(models_folder()))
        keeps_models()  # napari reads its preferences at the first question, which holds everything up for a moment
        self._half_done: list[HalfDone] = []
        self._costs = CostEstimate(
            view.costs,
            lambda: (self.stack.volume(), self._arguments()),
            impossible=lambda: self.view.panel.train_button.setEnabled(False),
        )
        self._levels = Worker(view, name="emgauss-plain-level")
        self._levels_wanted = False
        self._connections = Connections(view)
        self._starts = ModelList(
            view.start_from,
            models,
            self._connections,
            without=NEW_MODEL,
            label=lambda model: f"Go on with {model.name}",
            offers=lambda model: not model.is_draft,
        )
        self._connect()
        self._on_models_changed()
        self._find_half_done()
        self._on_edited()

    def _connect(self) -> None:
        self.stack.changed.connect(self._on_edited)
        self.view.settings.changed.connect(self._on_edited)
        self.view.start_from.changed.connect(self._on_edited)
        panel = self.view.panel
        panel.train.connect(self.train)
        panel.pause.connect(self._pause)
        panel.resume.connect(self._resume)
        panel.stop.connect(self.stop)
        panel.discard.connect(self.discard)
        self.view.job_button.clicked.connect(lambda: self.run_as_job())
        self.view.half_done.wanted.connect(self.go_on)
        self.view.half_done.forgotten.connect(self._forget_half_done)
        self._connections.connect(self._models.added, self._on_models_changed)
        self._connections.connect(self._models.removed, self._on_models_changed)
        self._connections.connect(self._viewer.layers.events.removed, self._on_layer_removed)
        self._connections.connect(self._viewer.dims.events.point, self._follow_viewer)
        self._connections.connect(self._viewer.events.theme, lambda _: self.view.panel.curves.take_theme())

    @property
    def model(self) -> OpenModel | None:
        """The model to go on from, None for a new one."""
        return self._starts.model

    def train(self) -> None:
        """Start a training with what is entered."""
        if self.run is not None:
            return
        try:
            volume, arguments, region = self.stack.volume(), self._arguments(), self.stack.region()
            announced = self._costs.found
            self.stack.apply_voxel_size()  # moves layers, and with them what is in view
        except EXPLAINED as error:
            report(error)
            return
        self.view.settings.remember()
        self._begin(self.stack.layer, volume, arguments, region, announced=announced)

    def run_as_job(self) -> None:
        """Hand what is entered over to the widget of jobs."""
        try:
            volume, arguments = self.stack.volume(), self._arguments()
            self.stack.apply_voxel_size()
        except EXPLAINED as error:
            report(error)
            return
        self.view.settings.remember()
        show_widget(self._viewer, "Job").offer(self.stack.layer, volume, arguments)

    def go_on(self) -> None:
        """Continue the half-done training that is offered, with its own settings."""
        half = self._offered_half_done()
        layer = None if half is None else self.stack.layer_of(half.shape)
        if self.run is not None or half is None or layer is None:
            return
        try:
            self.stack.take(layer, half.voxel_size_nm)
            volume = stack_of(layer, voxel_size_nm=half.voxel_size_nm, region=half.region)
        except EXPLAINED as error:
            report(error)
            return
        self.view.settings.preset.setCurrentText(str(half.settings.get("preset", "")))
        self._begin(layer, volume, half.settings, half.region)

    def _begin(
        self,
        layer: Any,
        volume: Volume,
        arguments: Mapping[str, Any],
        region: Region | None,
        *,
        announced: Estimate | None = None,
    ) -> None:
        """Start a training on a stack whose layer has its voxel size, with the costs that were ``announced``."""
        about = None
        if "start" not in arguments:
            shape = volume.shape if region is None else (volume.n_sections, *_section_shape(layer))
            path = str(getattr(layer.source, "path", None) or "")
            about = HalfDone(
                layer=layer.name,
                path=path,
                shape=shape,
                voxel_size_nm=volume.voxel_size_nm,
                region=region,
                settings=arguments,
            ).about()
        session = Session(
            volume,
            run_config=RunConfig(preview_every_s=PREVIEW_EVERY_S, validate_every=20),
            checkpoints_in=half_done_folder(),
            about=about,
            **arguments,
        )
        self._costs.cease("")
        self._announced = announced
        self.run = StackRun(
            session,
            TrainedStack(volume=volume, layer=layer, placement=LayerPlacement.of(layer)),
            on_progress=self._on_progress,
            on_preview=self._layers.show,
            on_improved=self._on_improved,
            on_finished=self._on_finished,
        )
        self._layers.open(self.run, opens_draft="start" not in arguments)
        self._offer_half_done()
        self._show_running(running=True)
        self.view.panel.show_running()
        self._levels.forget()
        self._levels_wanted = True
        self._follow_viewer()
        self.view.reveal_panel()
        self.changed.emit()
        self.run.start()

    def stop(self) -> None:
        """End the training and keep what was learned; once more: without making the rest."""
        if self.run is not None:
            self.run.session.stop()
            self.view.panel.show_ending()

    def discard(self) -> None:
        """End the training and throw away what was learned."""
        if self.run is not None:
            self.run.session.discard(wait=False)
            self.view.panel.show_ending()

    def close(self) -> None:
        """End the training, whose checkpoint stays; the form is gone."""
        self._connections.close()
        if self.run is not None:
            self.run.close()
        self._layers.close()

    def may_end(self) -> bool:
        """Ask before a training ends with the dock or the window."""
        return self.run is None or may_close(self.view, self.run.stack.layer.name, FOUND_AGAIN)

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        self._layers.close()
        self.view.panel.leave()

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments of `Session` beyond the stack."""
        settings = self.view.settings.arguments()
        if self.model is not None:
            return {"start": self.model.reconstruction, "device": settings["device"]}
        return {**settings, "hold_out": self.stack.hold_out, "leave_out": self.stack.leave_out}

    def _pause(self) -> None:
        if self.run is not None:
            self.run.pause()

    def _resume(self) -> None:
        if self.run is not None:
            self.run.resume()

    def _on_progress(self, records: list[Progress]) -> None:
        announced, spent_s = self._announced, 0.0 if self.run is None else self.run.seconds
        left = [None if announced is None else announced.seconds_left(record, spent_s) for record in records]
        points = [point_of(record, left_s=left_s) for record, left_s in zip(records, left, strict=True)]
        self.view.panel.show_progress(points)
        self._layers.tell()

    def _on_improved(self) -> None:
        self._layers.improve()
        self._follow_viewer()
        draft = None if self.run is None else self.run.session.draft
        if self._levels_wanted and self.run is not None and draft is not None and draft.is_examined:
            self._levels_wanted = False
            volume, levels = self.run.stack.volume, self._levels
            levels.submit(
                lambda: plain_levels(volume, draft, stop=lambda: levels.overtaken),
                done=self.view.panel.curves.set_plain_levels,
            )

    def _on_finished(self, end: Finished) -> None:
        run, self.run = self.run, None
        if run is None:
            return
        model: OpenModel | None = None
        try:
            model = self._model_of(run)
            text = DISCARDED if model is None else ""
        except BaseException as error:  # noqa: BLE001 - whatever ended the training is told to the person
            text = message_of(error)
            report(error)
        self._layers.close(model)
        if end.reason is not FinishReason.FAILED:
            run.session.forget_checkpoint()
        if model is not None:
            if keeps_models():
                self.recent.keep(model)
            text = _told(model, end, run.seconds)
        self._show_running(running=False)
        details = "" if model is None else f"{describe_sections(model.trained.record)} "
        details += "" if model is None else describe_evidence(model.trained.record)
        self.view.panel.show_idle(text, details.strip())
        self.changed.emit()

    def _model_of(self, run: StackRun) -> OpenModel | None:
        """Return what was learned, None where that was discarded or is nothing."""
        if run.session.discarded:
            return None
        reconstruction = run.session.result()
        if run.session.control.stopped_at_once and not reconstruction.record.get("iterations"):
            return None
        name = f"{run.stack.name} · {reconstruction.record.get('preset', '')}"
        return OpenModel(name, reconstruction, run.stack.placement, run.stack.volume, weakref.ref(run.stack.layer))

    def _on_layer_removed(self, event: Any) -> None:
        if self.run is not None and event.value is self.run.stack.layer:
            from napari.utils.notifications import show_info

            if not self.run.session.control.stopped:
                self.stop()
            show_info("The stack was removed, so its training ends; what was learned is kept as a model.")

    def _follow_viewer(self, _event: Any = None) -> None:
        """Ask for previews of the plane that the viewer shows."""
        if self.run is None or self._viewer.dims.ndim < 3:
            return
        volume, nm = self.run.stack.volume, self.run.stack.placement.nm_per_unit
        z = self._layers.look_at(section_in_view(self._viewer, volume, nm))
        place = (min(max(z, 0.0), volume.n_sections - 1.0), *(pixel_in_view(self._viewer, volume, nm) or ()))
        ask_for_preview(self.run.session.control, place)
        self._layers.tell()

    def _on_edited(self) -> None:
        """Something was changed: find out whether it can be trained, and what that costs."""
        if self.run is not None:
            return
        self.view.show_new(new=self.model is None)
        self._offer_half_done()
        self.problem = ""
        try:
            self.stack.volume()
            self._arguments()
        except EXPLAINED as error:
            self.problem = message_of(error)
            self._costs.cease("" if isinstance(error, VolumeError) else self.problem)
        else:
            self._costs.begin()
        self.view.panel.train_button.setEnabled(not self.problem)
        self.view.check.button.setEnabled(not self.problem)
        self.view.job_button.setEnabled(not self.problem and self.model is None)
        self.changed.emit()

    def _on_models_changed(self, _: Any = None) -> None:
        self.view.show_start_from(shown=any(not model.is_draft for model in self._models))

    def _show_running(self, *, running: bool) -> None:
        self.view.show_editable(editable=not running)
        if not running:
            self._find_half_done()
            self._on_edited()

    def _find_half_done(self) -> None:
        self._half_done = half_done_in(half_done_folder())
        self._offer_half_done()

    def _offered_half_done(self) -> HalfDone | None:
        """Return the newest half-done training whose stack is a layer, else the newest."""
        open_ones = (half for half in self._half_done if self.stack.layer_of(half.shape) is not None)
        return next(open_ones, self._half_done[0] if self._half_done else None)

    def _offer_half_done(self) -> None:
        half = None if self.run is not None else self._offered_half_done()
        is_open = half is not None and self.stack.layer_of(half.shape) is not None
        self.view.half_done.offer("" if half is None else half.describe(is_open=is_open), can_go_on=is_open)

    def _forget_half_done(self) -> None:
        half = self._offered_half_done()
        if half is not None:
            JobFolder(half.folder, "").clear()
            self._find_half_done()


def half_done_folder() -> Path:
    """Return the user's folder of half-done trainings."""
    return Path(platformdirs.user_cache_path("napari-emgauss")) / "half-done"


def _section_shape(layer: Any) -> tuple[int, int]:
    height, width = (layer.data[0] if layer.multiscale else layer.data).shape[-2:]
    return int(height), int(width)


def _told(model: OpenModel, end: Finished, seconds: float) -> str:
    """Return how a training ended, in words."""
    record = model.trained.record
    early = " (stopped early)" if end.reason is FinishReason.STOPPED else ""
    kept = ", kept under 'Recent models'" if keeps_models() else " (not saved yet)"
    done = f"Done{early} in {format_duration(seconds)}: {model.name}{kept}."
    told = (done, describe_sections(record, ceiling=False), hidden_in_words(record, model.trained.voxel_size_nm))
    return " ".join(text for text in told if text)
