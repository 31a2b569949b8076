"""Work off the GUI thread, with its results brought back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from qtpy.QtCore import QCoreApplication, QObject

from napari_emgauss._napari.controls.notify import report
from napari_emgauss._napari.workers.gui_call import GuiCall

Result = TypeVar("Result")
CLOSING_S = 5.0
"""Longest wait for the present piece of work when a widget closes."""
IDLE_S = 1.0
"""A thread without work ends after this time."""


@dataclass(eq=False)
class _Request:
    """A piece of work, who gets its result, and what has become of it."""

    work: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[BaseException], None]
    key: Hashable | None
    overtaken: bool = False
    forgotten: bool = False
    result: Any = None
    error: BaseException | None = None


class Worker:
    """Threads of a widget's own, which exist while there is work and never touch a Qt object.

    ``done`` and ``failed`` are called in the GUI thread, in the order in which the work ends, and not at all after
    `forget` or `close`::

        self._worker = Worker(self, name="emgauss-example")
        self._worker.submit(lambda: model.save(path), done=self._saved)         # after all that wait
        self._worker.submit_newest(lambda: model.render(z), done=self._show)    # instead of all that wait
        self._worker.submit_newest(lambda: estimate(volume, stop=lambda: self._worker.overtaken), done=self._show)
        self._worker.forget()                                                   # nothing of this is wanted any more

    Work that takes long asks `overtaken` now and then, and ends early. Work holds no widget: it is dropped by the
    thread.

    Parameters
    ----------
    parent
        Widget whose destruction closes it, as the end of the application does. None: it ends when its work is done.
    name
        Name of the threads; begins with ``emgauss-``.
    at_once
        Number of threads.
    draws
        Whether torch gets a single thread in them, as it must where sections are drawn while others compute.
    """

    def __init__(self, parent: QObject | None, *, name: str, at_once: int = 1, draws: bool = True) -> None:
        self._name, self._at_once, self._draws = name, at_once, draws
        self._wake = threading.Condition()
        self._waiting: deque[_Request] = deque()
        self._present: dict[threading.Thread, _Request | None] = {}
        self._ended: deque[_Request] = deque()
        self._closed = False
        self._delivery = GuiCall(self.deliver)
        self._application = None if parent is None else QCoreApplication.instance()
        if parent is not None:
            parent.destroyed.connect(self.close)
        if self._application is not None:
            self._application.aboutToQuit.connect(self.close)

    @property
    def busy(self) -> bool:
        """Whether work is waiting, going on, or not yet delivered."""
        with self._wake:
            return bool(self._waiting or self._ended or any(self._present.values()))

    @property
    def overtaken(self) -> bool:
        """Whether the work that asks has been overtaken or forgotten, or the widget is gone; for the work itself."""
        request = self._present.get(threading.current_thread())
        return self._closed or (request is not None and request.overtaken)

    def submit(
        self,
        work: Callable[[], Result],
        *,
        done: Callable[[Result], None],
        failed: Callable[[BaseException], None] = report,
        key: Hashable | None = None,
    ) -> None:
        """Do ``work`` after all that waits; not if work with the same ``key`` is still to be delivered."""
        self._add(_Request(work, done, failed, key), instead=False)

    def submit_newest(
        self,
        work: Callable[[], Result],
        *,
        done: Callable[[Result], None],
        failed: Callable[[BaseException], None] = report,
    ) -> None:
        """Do ``work`` next, instead of all that waits; the present work is overtaken, but delivered if it goes on."""
        self._add(_Request(work, done, failed, None), instead=True)

    def drop_waiting(self) -> None:
        """Drop all that has not begun."""
        with self._wake:
            self._waiting.clear()

    def forget(self) -> None:
        """Drop all that was asked for; the present work is overtaken, and not delivered."""
        with self._wake:
            for request in self._going_on():
                request.overtaken = request.forgotten = True
            self._waiting.clear()
            self._ended.clear()

    def close(self, *, within_s: float = CLOSING_S) -> None:
        """Forget everything and end the threads; one that goes on for longer than this ends after its present work."""
        self.forget()
        self._delivery.close()
        with self._wake:
            self._closed = True
            threads = list(self._present)
            self._wake.notify_all()
        application, self._application = self._application, None
        if application is not None:
            with contextlib.suppress(RuntimeError):  # gone before
                application.aboutToQuit.disconnect(self.close)
        end_s = time.monotonic() + within_s
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(end_s - time.monotonic(), 0))

    def deliver(self) -> None:
        """Hand over what is ready. Qt's event loop calls it; who holds that up calls it himself."""
        try:
            while (request := self._next_ended()) is not None:
                if request.error is not None:
                    request.failed(request.error)
                else:
                    request.done(request.result)
        finally:  # whoever was called may have raised
            if self._ended:
                self._delivery.request()

    def _add(self, request: _Request, *, instead: bool) -> None:
        with self._wake:
            if instead:
                self._waiting.clear()
                for present in self._going_on():
                    present.overtaken = True
            pending = {other.key for other in (*self._waiting, *self._going_on(), *self._ended) if not other.forgotten}
            if self._closed or (request.key is not None and request.key in pending):
                return
            self._waiting.append(request)
            idle = sum(request is None for request in self._present.values())
            if idle < len(self._waiting) and len(self._present) < self._at_once:
                thread = threading.Thread(target=self._work_off, name=self._name, daemon=True)
                self._present[thread] = None
                thread.start()
            self._wake.notify()

    def _going_on(self) -> list[_Request]:
        return [request for request in self._present.values() if request is not None]

    def _next_ended(self) -> _Request | None:
        with self._wake:
            return self._ended.popleft() if self._ended else None

    def _next(self) -> _Request | None:
        """Return the next request for this thread, None if it is to end."""
        here = threading.current_thread()
        with self._wake:
            self._present[here] = None
            self._wake.wait_for(lambda: self._waiting or self._closed, timeout=IDLE_S)
            if self._closed or not self._waiting:
                del self._present[here]
                return None
            request = self._present[here] = self._waiting.popleft()
            return request

    def _work_off(self) -> None:
        if self._draws:
            from napari_emgauss.runtime.torch_threads import use_one_torch_thread

            use_one_torch_thread()
        while (request := self._next()) is not None:
            try:
                request.result = request.work()
            except BaseException as error:  # noqa: BLE001 - handed to the GUI thread
                request.error = error
            with self._wake:
                self._present[threading.current_thread()] = None
                if not request.forgotten:
                    self._ended.append(request)
            del request
            self._delivery.request()
