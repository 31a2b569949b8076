"""A reconstruction that runs in the background: start, pause, resume, stop; no Qt."""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from psygnal import EmitLoopError

from napari_emgauss.io.store import ABOUT, JobFolder
from napari_emgauss.methods.registry import method_named
from napari_emgauss.training import Control, Event, Finished, FinishReason, Progress, RunConfig, TrainingSignals

LOGGER = logging.getLogger(__name__)


class State(Enum):
    """State of a session."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Status:
    """Snapshot of a session."""

    state: State
    progress: Progress | None = None
    """Latest progress."""
    message: str = ""
    """What went wrong, for a failure."""


class Session:
    """A training in a thread of its own.

    States: IDLE → (`start`) → RUNNING ⇄ (`pause`, `resume`) PAUSED; the end is FINISHED, STOPPED (`stop`, `discard`) or
    FAILED. ``signals`` are emitted in its thread; `Finished` comes exactly once. The
    interpreter stops a session that is still running when it exits.

    Parameters
    ----------
    inputs
        Input of the method: a `Volume` for EMGauss.
    method
        Name of a method of `napari_emgauss.methods.registry`.
    checkpoint, run_config
        As for `napari_emgauss.reconstruct`.
    checkpoints_in
        Folder for the half-done trainings of any input, instead of ``checkpoint``: this one gets a folder of its own
        there and continues from what it holds, until `forget_checkpoint`.
    about
        Plain JSON values that tell a person what this training is; kept there.
    **settings
        Settings of the method: preset, device, seed, start and any other.
    """

    def __init__(
        self,
        inputs: Any,
        *,
        method: str = "emgauss",
        checkpoint: str | Path | None = None,
        checkpoints_in: str | Path | None = None,
        about: Mapping[str, Any] | None = None,
        run_config: RunConfig | None = None,
        **settings: Any,
    ) -> None:
        self.signals = TrainingSignals()
        self.control = Control()
        self._inputs, self._method, self._settings = inputs, method_named(method), settings
        self._checkpoint = None if checkpoint is None else Path(checkpoint)
        self._checkpoints_in = None if checkpoints_in is None else Path(checkpoints_in)
        self._about = about
        self._run_config = run_config
        self._lock = threading.Lock()
        self._status = Status(State.IDLE)
        self._result: Any = None
        self._error: BaseException | None = None
        self._terminal: Finished | None = None
        self._discarded = False
        self._store: JobFolder | None = None
        self.draft: Any = None
        """What can be drawn meanwhile, better with every `Improved`, None before the first; a `Draft` for EMGauss."""
        self.resumed = False
        """Whether it goes on from a half-done training; known from the first event on."""
        self._thread = threading.Thread(target=self._work, name="emgauss-training", daemon=True)

    @property
    def status(self) -> Status:
        """Snapshot; safe from any thread."""
        with self._lock:
            if self._status.state is State.RUNNING and self.control.paused:
                return replace(self._status, state=State.PAUSED)
            return self._status

    def start(self) -> None:
        """Begin; a session runs once.

        Raises
        ------
        RuntimeError
            It was started before.
        """
        with self._lock:
            if self._status.state is not State.IDLE:
                raise RuntimeError("a session runs once and this one was started before. Create another Session.")
            self._status = Status(State.RUNNING)
        _RUNNING.add(self)
        self._thread.start()

    def pause(self) -> None:
        """Hold after the present iteration."""
        self.control.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        self.control.resume()

    def stop(self, *, at_once: bool = False) -> None:
        """End after the present iteration and keep what was learned; what was not, as well as a short time allows.

        ``at_once``, or a second call, saves that time.
        """
        self.control.stop(at_once=at_once)

    def discard(self, *, wait: bool = True) -> None:
        """Stop, wait if asked to (never in the training thread itself), and drop the result."""
        self._discarded = True
        self.stop(at_once=True)
        if wait and threading.current_thread() is not self._thread:
            self.wait()
        self._result = None

    @property
    def discarded(self) -> bool:
        """Whether the result is not wanted."""
        return self._discarded

    def forget_checkpoint(self) -> None:
        """Remove what ``checkpoints_in`` holds of this training: its result is safe, or not wanted."""
        if self._store is not None:
            self._store.clear()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; whether it was reached."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def result(self) -> Any:
        """Return the reconstruction, once finished or stopped.

        Raises
        ------
        RuntimeError
            Not finished yet, or discarded. A failed training raises what it failed with.
        """
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise RuntimeError(f"there is no result: the session is {self.status.state.value} or was discarded.")
        return self._result

    def _work(self) -> None:
        try:
            prepared = self._method.prepare(self._inputs, **self._settings)
            if self._checkpoints_in is not None:
                self._take_folder(prepared.fingerprint)
            result = self._method.train(
                prepared,
                on_event=self._on_event,
                on_draft=self._take_draft,
                control=self.control,
                checkpoint=self._checkpoint,
                run_config=self._run_config,
            )
            self._result = None if self._discarded else result
        except BaseException as error:  # noqa: BLE001 - handed to the caller by result()
            self._error = error
        try:
            self._finish()
        finally:
            _RUNNING.discard(self)

    def _take_folder(self, fingerprint: str) -> None:
        """Take the folder of this input and these settings."""
        assert self._checkpoints_in is not None
        self._store = JobFolder(self._checkpoints_in / fingerprint[:16], fingerprint)
        self.resumed = self._store.exists()
        self._checkpoint = self._store.folder
        if self._about is not None:
            self._store.save_record(ABOUT, self._about)

    def _take_draft(self, draft: Any) -> None:
        self.draft = draft

    def _finish(self) -> None:
        """Tell the end, once result() can be asked."""
        end = self._terminal
        if end is None or (self._error is not None and end.reason is not FinishReason.FAILED):
            end = Finished(reason=FinishReason.FAILED, iteration=0, seconds=0.0, message=str(self._error))
        with self._lock:
            self._status = replace(self._status, state=_END[end.reason], message=end.message)
        self._send(end)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Finished):
            self._terminal = event
            return
        if isinstance(event, Progress):
            with self._lock:
                self._status = replace(self._status, progress=event)
        self._send(event)

    def _send(self, event: Event) -> None:
        """Emit; a listener that fails is reported in the log and does not end the training."""
        try:
            self.signals.send(event)
        except EmitLoopError:
            LOGGER.exception("a listener of the training failed")


_END = {
    FinishReason.COMPLETED: State.FINISHED,
    FinishReason.STOPPED: State.STOPPED,
    FinishReason.FAILED: State.FAILED,
}
_RUNNING: weakref.WeakSet[Session] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """A training thread inside torch while the interpreter shuts down would crash it."""
    for session in list(_RUNNING):
        session.stop(at_once=True)
    for session in list(_RUNNING):
        session.wait(10)
