"""A training in the background, its events brought to the GUI thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from napari_emgauss._napari.controls.notify import show_notice
from napari_emgauss._napari.workers.gui_call import GuiCall
from napari_emgauss.session import Session
from napari_emgauss.training import Finished, Improved, Notice, Preview, Progress

TELL_EVERY_MS = 100
CLOSING_S = 10.0
"""Longest wait for the present iteration when the viewer closes."""


class TrainingRun:
    """A session whose events are told in the GUI thread.

    Parameters
    ----------
    session
        Not started yet.
    on_progress
        Called with the new progress records, oldest first.
    on_preview
        Called with the newest preview.
    on_improved
        Called when the session's draft is there, and when it is better.
    on_finished
        Called once.
    """

    def __init__(
        self,
        session: Session,
        *,
        on_progress: Callable[[list[Progress]], None],
        on_preview: Callable[[Preview], None],
        on_improved: Callable[[], None],
        on_finished: Callable[[Finished], None],
    ) -> None:
        self.session = session
        self._on_progress, self._on_preview = on_progress, on_preview
        self._on_improved, self._on_finished = on_improved, on_finished
        # The training thread appends, the GUI thread pops: a deque needs no lock for that.
        self._progress: deque[Progress] = deque(maxlen=5000)
        self._preview: deque[Preview] = deque(maxlen=1)
        self._notices: deque[Notice] = deque()
        self._improved: deque[Improved] = deque(maxlen=1)
        self._finished: deque[Finished] = deque(maxlen=1)
        self._news = GuiCall(self._deliver, every_ms=TELL_EVERY_MS)
        self._closed = False
        self._begun_s, self._held_s = time.monotonic(), 0.0
        self._paused_at_s: float | None = None
        signals = session.signals
        for signal, events in (
            (signals.progress, self._progress),
            (signals.preview, self._preview),
            (signals.notice, self._notices),
            (signals.improved, self._improved),
            (signals.finished, self._finished),
        ):
            signal.connect(events.append, check_nargs=False)
            signal.connect(self._news.request)

    def start(self) -> None:
        """Begin."""
        self._begun_s = time.monotonic()
        self.session.start()

    @property
    def seconds(self) -> float:
        """Time since the beginning, pauses left out."""
        now = time.monotonic()
        held = self._held_s + (now - self._paused_at_s if self._paused_at_s is not None else 0.0)
        return now - self._begun_s - held

    def pause(self) -> None:
        """Hold after the present iteration."""
        self._paused_at_s = time.monotonic()
        self.session.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        if self._paused_at_s is not None:
            self._held_s += time.monotonic() - self._paused_at_s
        self._paused_at_s = None
        self.session.resume()

    def close(self) -> None:
        """Stop, and tell nothing any more; the checkpoint stays."""
        if not self._closed:
            self._closed = True
            self._news.close()
            self.session.stop(at_once=True)
            self.session.wait(CLOSING_S)

    def _deliver(self) -> None:
        while self._notices:
            show_notice(self._notices.popleft().message)
        finished = self._finished.popleft() if self._finished else None
        if records := [self._progress.popleft() for _ in range(len(self._progress))]:
            self._on_progress(records)
        if finished is not None:
            self._closed = True
            self._news.close()
            self._on_finished(finished)
            return
        if self._improved:
            self._improved.clear()
            self._on_improved()
        if self._preview:
            self._on_preview(self._preview.pop())
