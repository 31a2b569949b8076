"""A dock that has all steps, between its form, the viewer and the session that trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import platformdirs

from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.controls.notify import message_of, report
from napari_emgauss._napari.training.closing import may_close
from napari_emgauss._napari.training.progress import point_of
from napari_emgauss._napari.training.run import TrainingRun
from napari_emgauss._napari.training.steps import Step, StepWords
from napari_emgauss._napari.training.steps_view import StepsView
from napari_emgauss.session import Session
from napari_emgauss.training import Finished, FinishReason, Preview, Progress, RunConfig
from napari_emgauss.units import format_duration

VALIDATE_EVERY = 5


@dataclass(frozen=True, eq=False)
class LayersRun:
    """A training and what it trains on."""

    training: TrainingRun
    data: Any
    layers: Sequence[Any]
    """Of the data."""
    name: str
    """Of the result."""


class StepsController:
    """A training with a row of steps: begun, watched and ended; what it learns on is the subclass's.

    Parameters
    ----------
    view
        The form, whose destruction ends everything.
    viewer
        The viewer itself, not a proxy.
    words
        What the steps are called, and what comes next.
    """

    method: ClassVar[str]
    half_done: ClassVar[str]
    """Name of the folder of half-done trainings."""
    found_again: ClassVar[str]
    """How a half-done training is gone on with, after *What was learned so far is kept as half-done,*."""
    drawing: ClassVar[str]
    """What the panel says while the result is drawn."""
    preview_every_s: ClassVar[float]

    view: Any
    """A `StepsView` that has ``settings``."""

    def __init__(self, view: StepsView, viewer: Any, words: StepWords) -> None:
        self.view, self._viewer, self._words = view, viewer, words
        self.run: LayersRun | None = None
        """The present training."""
        self._connections = Connections(view)
        self.view.settings.changed.connect(self._on_edited)
        view.bar.wanted.connect(self.go_to)
        panel = view.panel
        panel.train.connect(self.train)
        panel.pause.connect(self._pause)
        panel.resume.connect(self._resume)
        panel.stop.connect(self.stop)
        panel.discard.connect(self.discard)
        self._connections.connect(viewer.layers.events.removed, self._on_layer_removed)

    @property
    def busy(self) -> bool:
        """Whether something is read, trained on or drawn."""
        raise NotImplementedError

    @property
    def has_result(self) -> bool:
        """Whether there is a result to look at."""
        raise NotImplementedError

    def train(self) -> None:
        """Start a training with what is entered."""
        raise NotImplementedError

    def go_to(self, step: Step) -> None:
        """Show a step, with the setting that it begins with."""
        if step in (Step.TRY, Step.TRAIN) and not self.view.panel.runs:
            self.view.settings.take(coarse=step is Step.TRY)
        self.view.show_step(step)
        self._tell()

    def stop(self) -> None:
        """End the training and keep what was learned; once more: at once."""
        if self.run is not None:
            self.run.training.session.stop()
            self.view.panel.show_ending()
        elif self.view.panel.runs:
            self._cease("Stopped before it began.")

    def discard(self) -> None:
        """End the training and throw away what was learned."""
        if self.run is not None:
            self.run.training.session.discard(wait=False)
            self.view.panel.show_ending()
        elif self.view.panel.runs:
            self._cease("Discarded.")

    def close(self) -> None:
        """End the training, whose checkpoint stays; the form is gone."""
        self._connections.close()
        if self.run is not None:
            self.run.training.close()

    def may_end(self) -> bool:
        """Ask before a training ends with the dock or the window."""
        return self.run is None or may_close(self.view, self.run.name, self.found_again)

    def leave(self) -> None:
        """Take away what makes no sense without the dock, which is being closed."""
        self._remove_live()
        self.view.panel.leave()

    def _show_running(self) -> None:
        """Show that a training begins."""
        self.view.show_editable(editable=False)
        self.view.panel.show_running()
        self.view.bar.show_training()
        self.view.reveal_panel()
        self._tell()

    def _begin(self, data: Any, layers: Sequence[Any], name: str, arguments: dict[str, Any]) -> None:
        """Start a session on what was read."""
        session = Session(
            data,
            method=self.method,
            run_config=RunConfig(preview_every_s=self.preview_every_s, validate_every=VALIDATE_EVERY),
            checkpoints_in=platformdirs.user_cache_path("napari-emgauss") / self.half_done,
            **arguments,
        )
        training = TrainingRun(
            session,
            on_progress=self._on_progress,
            on_preview=self._on_preview,
            on_improved=self._on_improved,
            on_finished=self._on_finished,
        )
        self.run = LayersRun(training, data, layers, name)
        training.start()

    def _pause(self) -> None:
        if self.run is not None:
            self.run.training.pause()

    def _resume(self) -> None:
        if self.run is not None:
            self.run.training.resume()

    def _on_progress(self, records: list[Progress]) -> None:
        self.view.panel.show_progress([point_of(record) for record in records])

    def _on_preview(self, preview: Preview) -> None:
        """Show a preview."""

    def _on_improved(self) -> None:
        """Show the draft, which is better now."""

    def _on_finished(self, end: Finished) -> None:
        run, self.run = self.run, None
        if run is None:
            return
        session = run.training.session
        if session.discarded and end.reason is not FinishReason.FAILED:
            session.forget_checkpoint()
            self._cease("Discarded.")
            return
        try:
            model = session.result()
        except BaseException as error:  # noqa: BLE001 - whatever ended the training is told to the person
            self._on_failed(error)
            return
        early = " (stopped early)" if end.reason is FinishReason.STOPPED else ""
        self.view.panel.status.setText(self.drawing)

        def drawn() -> None:
            session.forget_checkpoint()
            self._cease(f"Done{early} in {format_duration(end.seconds)}.")

        self._add_result(model, run, drawn)

    def _on_failed(self, error: BaseException) -> None:
        report(error)
        self._cease(message_of(error))

    def _cease(self, message: str) -> None:
        """Show that nothing runs any more."""
        self._remove_live()
        self.view.show_editable(editable=True)
        self.view.panel.show_idle(message)
        self._on_edited()

    def _tell(self) -> None:
        """Say what comes next."""
        self.view.bar.show_state(
            self._words,
            can_train=self.view.panel.train_button.isEnabled(),
            training=self.view.panel.runs,
            has_result=self.has_result,
        )

    def _look(self) -> None:
        """Go to the step of looking: a result is there, or another one was chosen."""
        if self.has_result and not self.view.panel.runs:
            self.view.bar.show_step(Step.LOOK)

    def _on_layer_removed(self, event: Any) -> None:
        if self.run is not None and any(event.value is layer for layer in self.run.layers):
            from napari.utils.notifications import show_info

            if not self.run.training.session.control.stopped:
                self.stop()
            show_info(f"{event.value.name} was removed, so the training ends; what was learned is kept.")

    def _on_edited(self) -> None:
        """Something was changed: find out whether it can be trained."""
        raise NotImplementedError

    def _remove_live(self) -> None:
        """Take away what is shown of a training only while it goes on."""
        raise NotImplementedError

    def _add_result(self, model: Any, run: LayersRun, drawn: Callable[[], None]) -> None:
        """Draw what was learned, and call ``drawn``; what goes wrong is told to `_on_failed`."""
        raise NotImplementedError
