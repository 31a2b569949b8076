"""Slices to volume between its form, the viewer and the session that trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import platformdirs

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import EXPLAINED, message_of, report
from napari_emgauss._napari.svr.result.controller import ResultController
from napari_emgauss._napari.svr.result.layer import VolumeSoFar, volume_of
from napari_emgauss._napari.svr.result.planes import orthogonal_planes
from napari_emgauss._napari.svr.stacks.selection import StackSelection
from napari_emgauss._napari.svr.view import STEPS, SlicesView
from napari_emgauss._napari.training.closing import may_close
from napari_emgauss._napari.training.progress import point_of
from napari_emgauss._napari.training.run import TrainingRun
from napari_emgauss._napari.training.steps import Step
from napari_emgauss._napari.viewer.space import LayerInSpace, point_in_view
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.methods.svr import SliceReconstruction
from napari_emgauss.session import Session
from napari_emgauss.slices import SliceStack, WorldVolume
from napari_emgauss.training import Finished, FinishReason, Preview, Progress, RunConfig
from napari_emgauss.units import format_duration

PREVIEW_EVERY_S = 2.0
HALF_DONE = "half-done-slices"
FOUND_AGAIN = "and training the same stacks with the same settings goes on from there."


@dataclass(frozen=True, eq=False)
class SlicesRun:
    """A training and what it trains on."""

    training: TrainingRun
    stacks: Sequence[SliceStack]
    layers: Sequence[Any]
    """Of the stacks."""
    name: str
    """Of the result."""


class SlicesController:
    """Training on the stacks that are entered: begun, watched and ended, with its volume shown.

    Parameters
    ----------
    view
        The form, whose destruction ends everything.
    viewer
        The viewer itself, not a proxy.
    """

    def __init__(self, view: SlicesView, viewer: Any) -> None:
        self.view, self._viewer = view, viewer
        self.stacks = StackSelection(view.stacks, viewer)
        self.result = ResultController(view.result, viewer, self.stacks.chosen_or_none)
        self.run: SlicesRun | None = None
        """The present training."""
        self._reading = Worker(view, name="emgauss-read-slices", draws=False)
        self._preview: VolumeSoFar | None = None
        self._shown: WorldVolume | None = None
        self._limits = (0.0, 1.0)
        self._connections = Connections(view)
        self._connect()
        self._on_edited()

    def _connect(self) -> None:
        self.stacks.changed.connect(self._on_edited)
        self.view.settings.changed.connect(self._on_edited)
        self.view.bar.wanted.connect(self.go_to)
        panel = self.view.panel
        panel.train.connect(self.train)
        panel.pause.connect(self._pause)
        panel.resume.connect(self._resume)
        panel.stop.connect(self.stop)
        panel.discard.connect(self.discard)
        self._connections.connect(self._viewer.layers.events.removed, self._on_layer_removed)
        self._connections.connect(self._viewer.dims.events.point, self._show_planes)
        self.view.result.results.changed.connect(self._take_result)

    @property
    def busy(self) -> bool:
        """Whether stacks are read or trained on, or a result is drawn."""
        return self.run is not None or self._reading.busy or self.result.busy

    def train(self) -> None:
        """Read what is entered off the GUI thread, then start a training on it."""
        if self.busy:
            return
        try:
            chosen, arguments = self.stacks.chosen(), self.view.settings.arguments()
        except EXPLAINED as error:
            report(error)
            return
        layers = self.stacks.layers
        self.view.show_editable(editable=False)
        self.view.panel.show_running()
        self.view.bar.show_training()
        self.view.reveal_panel()
        self._tell()
        self._reading.submit(
            lambda: [stack.read() for stack in chosen],
            done=lambda stacks: self._begin(stacks, layers, arguments),
            failed=self._on_unreadable,
        )

    def go_to(self, step: Step) -> None:
        """Show a step, with the voxel size that it begins with."""
        if step in (Step.TRY, Step.TRAIN) and not self.busy:
            self.view.settings.take(coarse=step is Step.TRY)
        self.view.show_step(step)
        self._tell()

    def _tell(self) -> None:
        """Say what comes next."""
        self.view.bar.show_state(
            STEPS,
            can_train=self.view.panel.train_button.isEnabled(),
            training=self.view.panel.runs,
            has_result=self.result.layer is not None,
        )

    def stop(self) -> None:
        """End the training and keep what was learned; once more: at once."""
        if self.run is None:
            self._cease("Stopped before it began.")
        else:
            self.run.training.session.stop()
            self.view.panel.show_ending()

    def discard(self) -> None:
        """End the training and throw away what was learned."""
        if self.run is None:
            self._cease("Discarded.")
        else:
            self.run.training.session.discard(wait=False)
            self.view.panel.show_ending()

    def close(self) -> None:
        """End the training, whose checkpoint stays; the form is gone."""
        self._connections.close()
        if self.run is not None:
            self.run.training.close()

    def may_end(self) -> bool:
        """Ask before a training ends with the dock or the window."""
        return self.run is None or may_close(self.view, self.run.name, FOUND_AGAIN)

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        self._remove_preview()
        self.view.panel.leave()

    def _begin(self, stacks: Sequence[SliceStack], layers: Sequence[Any], arguments: dict[str, Any]) -> None:
        session = Session(
            stacks,
            method="svr",
            run_config=RunConfig(preview_every_s=PREVIEW_EVERY_S, validate_every=5),
            checkpoints_in=platformdirs.user_cache_path("napari-emgauss") / HALF_DONE,
            **arguments,
        )
        training = TrainingRun(
            session,
            on_progress=self._on_progress,
            on_preview=self._on_preview,
            on_improved=lambda: None,
            on_finished=self._on_finished,
        )
        self._preview = VolumeSoFar(self._viewer)
        self.run = SlicesRun(training, stacks, layers, f"Volume of {len(stacks)} stack{'s' * (len(stacks) > 1)}")
        training.start()

    def _on_unreadable(self, error: BaseException) -> None:
        report(error)
        self._cease(message_of(error))

    def _cease(self, message: str) -> None:
        """Show that nothing runs any more."""
        self._reading.forget()
        self._remove_preview()
        self.view.show_editable(editable=True)
        self.view.panel.show_idle(message)
        self._on_edited()

    def _pause(self) -> None:
        if self.run is not None:
            self.run.training.pause()

    def _resume(self) -> None:
        if self.run is not None:
            self.run.training.resume()

    def _on_progress(self, records: list[Progress]) -> None:
        self.view.panel.show_progress([point_of(record) for record in records])

    def _on_preview(self, preview: Preview) -> None:
        volume = volume_of(preview)
        if self._preview is not None:
            self._preview.show(volume)
        self._take_planes(volume)

    def _on_finished(self, end: Finished) -> None:
        run, self.run = self.run, None
        if run is None:
            return
        try:
            model: SliceReconstruction = run.training.session.result()
        except BaseException as error:  # noqa: BLE001 - whatever ended the training is told to the person
            if isinstance(error, RuntimeError) and end.reason is not FinishReason.FAILED:
                run.training.session.forget_checkpoint()
                self._cease("Discarded.")
            else:
                self._on_unreadable(error)
            return
        early = " (stopped early)" if end.reason is FinishReason.STOPPED else ""
        done = f"Done{early} in {format_duration(end.seconds)}."
        self.view.panel.status.setText("Drawing the volume…")

        def show() -> None:
            run.training.session.forget_checkpoint()
            self._cease(done)

        self.result.add(model, run.stacks, run.name, drawn=show, failed=self._on_unreadable)

    def _remove_preview(self) -> None:
        if self._preview is not None:
            self._preview.remove()
        self._preview = None

    def _on_layer_removed(self, event: Any) -> None:
        if self.run is not None and any(event.value is layer for layer in self.run.layers):
            from napari.utils.notifications import show_info

            if not self.run.training.session.control.stopped:
                self.stop()
            show_info(f"{event.value.name} was removed, so the training ends; what was learned is kept.")

    def _take_result(self) -> None:
        """Show planes of the result that is looked at."""
        layer = self.result.layer
        if layer is not None:
            if not self.view.panel.runs:
                self.view.bar.show_step(Step.LOOK)
            self._take_planes(WorldVolume(np.asarray(layer.data), LayerInSpace.of(layer).affine))
        elif self.run is None:
            self._shown = None
            self.view.planes.clear()
        self._tell()

    def _take_planes(self, volume: WorldVolume) -> None:
        self._shown = volume
        self._limits = (float(volume.values.min()), float(volume.values.max()))
        self._show_planes()

    def _show_planes(self, _event: Any = None) -> None:
        """Show the newest volume at the point in view."""
        if self._shown is not None:
            self.view.planes.show_all(orthogonal_planes(self._shown, point_in_view(self._viewer)), self._limits)

    def _on_edited(self) -> None:
        """Something was changed: find out whether it can be trained."""
        if self.busy:
            return
        self._find_out()
        self._tell()

    def _find_out(self) -> None:
        chosen = self.stacks.chosen_or_none()
        self.view.panel.train_button.setEnabled(bool(chosen))
        if chosen:
            self.view.settings.suggest(min(stack.pixel_mm for stack in chosen))
