"""Reconstruct between its form, the viewer and the session that trains."""

from __future__ import annotations

import weakref
from typing import Any

import platformdirs

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import EXPLAINED, message_of, report
from napari_emgauss._napari.reconstruct.costs import CostEstimate
from napari_emgauss._napari.reconstruct.draft_previews import DraftPreviews
from napari_emgauss._napari.reconstruct.model_actions import ModelActions
from napari_emgauss._napari.reconstruct.preview import PreviewLayer
from napari_emgauss._napari.reconstruct.stack.check import SectionCheck
from napari_emgauss._napari.reconstruct.stack.choice import StackChoice
from napari_emgauss._napari.reconstruct.stack.trained import StackRun, TrainedStack
from napari_emgauss._napari.reconstruct.view import ReconstructView
from napari_emgauss._napari.training.progress import ask_for_preview, is_of, point_of
from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss._napari.viewer.model_list import ModelList
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels
from napari_emgauss._napari.viewer.regions import pixel_in_view, section_in_view
from napari_emgauss._napari.viewer.virtual import redraw_volumes
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.errors import VolumeError
from napari_emgauss.evaluation import plain_psnr_db
from napari_emgauss.methods.emgauss import describe_evidence, describe_sections
from napari_emgauss.session import Session
from napari_emgauss.training import Finished, FinishReason, Preview, Progress, RunConfig
from napari_emgauss.units import format_duration
from napari_emgauss.volume import Volume

PREVIEW_EVERY_S = 1.0
NEW_MODEL = "A new model"
ON_A_SECTION = 1e-3
"""Sections: previews are of the depth between two sections where the viewer is closer to one."""


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

    def __init__(self, view: ReconstructView, viewer: Any, models: OpenModels) -> None:
        self.view = view
        self.stack = StackChoice(view.stack, viewer)
        self.check = SectionCheck(view.check, self.stack)
        self.actions = ModelActions(view.next_steps, viewer, models)
        self.run: StackRun | None = None
        """The present training."""
        self._viewer, self._models = viewer, models
        self._preview: PreviewLayer | None = None
        self._drafts = DraftPreviews(view, self._on_preview)
        self._left = False
        self._draft: OpenModel | None = None
        """The stack in training, open as it is drawn so far."""
        self._costs = CostEstimate(view.costs, lambda: (self.stack.volume(), self._arguments()))
        self._levels = Worker(view, name="emgauss-plain-level")
        self._connections = Connections(view)
        self._starts = ModelList(
            view.start_from,
            models,
            self._connections,
            otherwise=0,
            without=NEW_MODEL,
            label=lambda model: f"Go on with {model.name}",
            offers=lambda model: not model.is_draft,
        )
        self._connect()
        self._on_models_changed()
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
        self._connections.connect(self._models.added, self._on_models_changed)
        self._connections.connect(self._models.removed, self._on_models_changed)
        self._connections.connect(self._viewer.layers.events.removed, self._on_layer_removed)
        self._connections.connect(self._viewer.dims.events.point, self._follow_viewer)

    @property
    def model(self) -> OpenModel | None:
        """The model to go on from, None for a new one."""
        return self._starts.model

    def train(self) -> None:
        """Start a training with what is entered."""
        if self.run is not None:
            return
        try:
            self.stack.apply_voxel_size()
            volume, arguments = self.stack.volume(), self._arguments()
            stack = TrainedStack(volume=volume, layer=self.stack.layer, placement=LayerPlacement.of(self.stack.layer))
            session = Session(
                volume,
                run_config=RunConfig(preview_every_s=PREVIEW_EVERY_S, validate_every=20),
                checkpoints_in=platformdirs.user_cache_path("napari-emgauss") / "half-done",
                **arguments,
            )
        except EXPLAINED as error:
            report(error)
            return
        self.view.settings.remember()
        self._costs.cease("")
        self._preview = PreviewLayer(self._viewer, stack)
        self.run = StackRun(
            session,
            stack,
            on_progress=self._on_progress,
            on_preview=self._on_preview,
            on_improved=self._on_improved,
            on_finished=self._on_finished,
        )
        self._show_running(running=True)
        self.view.panel.show_running()
        self._show_plain_level(volume, arguments)
        self._follow_viewer()
        self.view.reveal_panel()
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
        self._close_draft()

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        self._left = True
        self._remove_preview()
        self._close_draft()
        self.view.panel.leave()

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments of `Session` beyond the stack."""
        settings = self.view.settings.arguments()
        if self.model is not None:
            return {"start": self.model.reconstruction, "device": settings["device"]}
        return {**settings, "hold_out": self.stack.hold_out, "leave_out": self.stack.leave_out}

    def _pause(self) -> None:
        if self.run is not None:
            self.run.session.pause()

    def _resume(self) -> None:
        if self.run is not None:
            self.run.session.resume()

    def _on_progress(self, records: list[Progress]) -> None:
        self.view.panel.show_progress([point_of(record) for record in records])

    def _on_preview(self, preview: Preview) -> None:
        """Show it if it is of the depth in view; the preview may have been drawn before the viewer moved on."""
        if self._preview is None or self.run is None:
            return
        wanted = self.run.session.control.preview_at
        if wanted is None or is_of(preview, wanted[0]):
            self.view.panel.show_on_screen(preview.label if self._preview.show(preview) else "")

    def _on_improved(self) -> None:
        """Open the draft, or have it drawn anew where it is shown."""
        run = self.run
        if run is None or run.session.draft is None or self._left:
            return
        draft, stack = run.session.draft, run.stack
        if self._draft is not None:
            redraw_volumes(self._viewer, draft, draft)
            self._models.improved.emit(self._draft)
        elif self.model is None:  # the model that is gone on from is open itself
            name = f"{stack.layer.name} · draft"
            self._draft = OpenModel(name, draft, stack.placement, stack.volume, weakref.ref(stack.layer))
            self._models.add(self._draft)
        self._draw_draft()

    def _draw_draft(self) -> None:
        if self.run is not None and self.run.session.draft is not None and self._preview is not None:
            wanted = self.run.session.control.preview_at
            self._drafts.draw(self.run.session.draft, wanted[0] if wanted else 0.5)

    def _close_draft(self, model: OpenModel | None = None) -> None:
        """Close the draft, in whose place ``model`` is opened if there is one."""
        draft, self._draft = self._draft, None
        self._drafts.forget()
        if model is None:
            if draft is not None:
                self._models.remove(draft)
        elif draft is None:
            self._models.add(model)
        else:
            self._models.replace(draft, model)
            redraw_volumes(self._viewer, draft.reconstruction, model.reconstruction)

    def _on_finished(self, end: Finished) -> None:
        run, self.run = self.run, None
        self._remove_preview()
        self._show_running(running=False)
        if run is None:
            return
        try:
            reconstruction = run.session.result()
        except BaseException as error:  # noqa: BLE001 - whatever ended the training is told to the person
            self._close_draft()
            if isinstance(error, RuntimeError) and end.reason is not FinishReason.FAILED:
                run.session.forget_checkpoint()
                self.view.panel.show_idle("Discarded.")
            else:
                self.view.panel.show_idle(message_of(error))
                report(error)
            return
        name = f"{run.stack.layer.name} · {reconstruction.record.get('preset', '')}"
        model = OpenModel(name, reconstruction, run.stack.placement, run.stack.volume, weakref.ref(run.stack.layer))
        self._close_draft(model)
        run.session.forget_checkpoint()
        early = " (stopped early)" if end.reason is FinishReason.STOPPED else ""
        evidence = f"{describe_sections(reconstruction.record)} {describe_evidence(reconstruction.record)}"
        done = f"Done{early} in {format_duration(end.seconds)}: {model.name}. {evidence.strip()}"
        self.view.panel.show_idle(done.strip())

    def _remove_preview(self) -> None:
        self._drafts.forget()
        if self._preview is not None:
            self._preview.remove()
        self._preview = None

    def _on_layer_removed(self, event: Any) -> None:
        if self.run is not None and event.value is self.run.stack.layer:
            from napari.utils.notifications import show_info

            if not self.run.session.control.stopped:
                self.stop()
            show_info("The stack was removed, so its training ends; what was learned is kept as a model.")

    def _follow_viewer(self, _event: Any = None) -> None:
        """Ask for previews at the depth that the viewer shows, between two sections, and draw the draft there."""
        if self.run is None or self._viewer.dims.ndim < 3:
            return
        volume = self.run.stack.volume
        z, last = section_in_view(self._viewer, volume, self.run.stack.placement.nm_per_unit), volume.n_sections - 1
        if abs(z - round(z)) < ON_A_SECTION:
            z = round(z) + (0.5 if z < last - 0.5 else -0.5)
        pixel = pixel_in_view(self._viewer, volume, self.run.stack.placement.nm_per_unit)
        before, place = self.run.session.control.preview_at, (min(max(z, 0.0), float(last)), *(pixel or ()))
        ask_for_preview(self.run.session.control, place)
        if before is None or before[0] != place[0]:
            self._draw_draft()

    def _show_plain_level(self, volume: Volume, arguments: dict[str, Any]) -> None:
        hold_out, leave_out = arguments.get("hold_out", ()), arguments.get("leave_out", ())
        self._levels.forget()
        if hold_out:
            self._levels.submit(
                lambda: plain_psnr_db(volume, hold_out, leave_out),
                done=lambda level: self.view.panel.curves.set_plain_level(level, "linear"),
            )

    def _on_edited(self) -> None:
        """Something was changed: find out whether it can be trained, and what that costs."""
        if self.run is not None:
            return
        self.view.show_new(new=self.model is None)
        try:
            self.stack.volume()
            self._arguments()
        except EXPLAINED as error:
            self.view.panel.train_button.setEnabled(False)
            self._costs.cease("" if isinstance(error, VolumeError) else message_of(error))
            return
        self.view.panel.train_button.setEnabled(True)
        self._costs.begin()

    def _on_models_changed(self, _: Any = None) -> None:
        self.view.show_start_from(shown=any(not model.is_draft for model in self._models))

    def _show_running(self, *, running: bool) -> None:
        self.view.show_editable(editable=not running)
        if not running:
            self._on_edited()
