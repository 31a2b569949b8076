"""Work off the GUI thread, with results brought back to it: no Qt object is touched by the worker."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from qtpy.QtCore import QObject, QTimer

from napari_emgauss._napari.controls.notify import report

Result = TypeVar("Result")
CLOSING_S = 5.0
"""Longest wait for the present piece of work when a widget closes."""


@dataclass(frozen=True)
class _Request(Generic[Result]):
    work: Callable[[], Result]
    done: Callable[[Result], None]
    failed: Callable[[BaseException], None]


class Background:
    """One thread for a widget: runs the newest request, drops those that were overtaken before they began.

    ``done`` and ``failed`` are called in the GUI thread, in the order of the work, and not at all after `close`.
    The thread starts with the first request and ends with `close`, which the parent's destruction calls.

    Parameters
    ----------
    parent
        Widget that owns it.
    name
        Name of the thread; begins with ``emgauss-``.
    poll_ms
        How often the GUI thread looks for results while there is work.
    """

    def __init__(self, parent: QObject, *, name: str, poll_ms: int = 8) -> None:
        self._wake = threading.Condition()
        self._waiting: _Request[Any] | None = None
        self._working = False
        self._closed = False
        self._n_forgotten = 0
        self._results: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._name = name
        self._thread: threading.Thread | None = None
        self._timer = QTimer(parent)
        self._timer.setInterval(poll_ms)
        self._timer.timeout.connect(self._deliver)
        parent.destroyed.connect(self.close)

    @property
    def closed(self) -> bool:
        """Whether its widget is gone; long work asks this now and then."""
        return self._closed

    @property
    def busy(self) -> bool:
        """Whether work is waiting, running, or not yet delivered."""
        with self._wake:
            return self._waiting is not None or self._working or bool(self._results)

    def submit(
        self,
        work: Callable[[], Result],
        *,
        done: Callable[[Result], None],
        failed: Callable[[BaseException], None] = report,
    ) -> None:
        """Run ``work`` in the thread as soon as it is free, instead of any request still waiting."""
        with self._wake:
            if self._closed:
                return
            self._waiting = _Request(work, done, failed)
            self._wake.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._timer.start()

    def forget(self) -> None:
        """Drop the waiting request, the result of the present one and those not yet delivered."""
        with self._wake:
            self._n_forgotten += 1
            self._waiting = None
            self._results.clear()

    def close(self) -> None:
        """End the thread after its present work; nothing is delivered any more."""
        with self._wake:
            self._closed = True
            self._waiting = None
            self._results.clear()
            self._wake.notify()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(CLOSING_S)

    def _run(self) -> None:
        from napari_emgauss.runtime.torch_threads import use_one_torch_thread

        use_one_torch_thread()
        while True:
            with self._wake:
                while self._waiting is None and not self._closed:
                    self._wake.wait()
                if self._closed:
                    return
                request, self._waiting, self._working = self._waiting, None, True
                n_forgotten = self._n_forgotten
            assert request is not None
            try:
                outcome: tuple[Callable[[Any], None], Any] = (request.done, request.work())
            except BaseException as error:  # noqa: BLE001 - handed to the GUI thread
                outcome = (request.failed, error)
            del request
            with self._wake:
                self._working = False
                if not self._closed and self._n_forgotten == n_forgotten:
                    self._results.append(outcome)
            del outcome

    def _deliver(self) -> None:
        while True:
            with self._wake:
                outcome = self._results.popleft() if self._results else None
                if outcome is None:
                    if self._waiting is None and not self._working:
                        self._timer.stop()
                    return
            outcome[0](outcome[1])
