"""A call into the GUI thread that other threads ask for."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from functools import cache

from qtpy.QtCore import QCoreApplication, QObject, QTimer, Signal  # type: ignore[attr-defined]


class GuiThread(QObject):
    """The one object that calls pass through on their way into the GUI thread, in which it lives.

    An object for each call, made where it is asked for, ends in a segmentation fault with PySide6 now and then.
    """

    asked = Signal(object)

    def __init__(self, application: QCoreApplication) -> None:
        super().__init__()
        self.moveToThread(application.thread())
        self.asked.connect(self._answer)

    def _answer(self, call: Callable[[], None]) -> None:
        call()


class GuiCall:
    """Makes one call in the GUI thread, once for all requests since the last call, and none after `close`.

    It owns no Qt object, so it may be dropped by any thread::

        records = deque()
        call = GuiCall(lambda: show(drain(records)), every_ms=100)
        widget.destroyed.connect(call.close)
        # in the other thread:
        records.append(record)
        call.request()

    Parameters
    ----------
    call
        What is called.
    every_ms
        Shortest time from the end of one call to the next. The GUI thread freezes where thousands of small events are
        passed to it.
    """

    def __init__(self, call: Callable[[], None], *, every_ms: int = 0) -> None:
        self._call, self._every_s = call, every_ms / 1000
        self._lock = threading.Lock()
        self._requested = self._closed = False
        self._called_at_s = -math.inf

    def request(self) -> None:
        """Have the call made soon; from any thread."""
        application = QCoreApplication.instance()
        with self._lock:
            if self._requested or self._closed or application is None:
                return
            self._requested = True
        with _MAKING:
            gui_thread = _gui_thread(application)
        gui_thread.asked.emit(self._answer)

    def close(self) -> None:
        """Call nothing any more; from the GUI thread."""
        with self._lock:
            self._closed = True

    def _answer(self) -> None:
        rest_s = self._called_at_s + self._every_s - time.monotonic()
        if rest_s > 0 and not self._closed:
            QTimer.singleShot(math.ceil(1000 * rest_s), self._answer)
            return
        with self._lock:
            self._requested = False
            if self._closed:
                return
        try:
            self._call()
        finally:
            self._called_at_s = time.monotonic()


_MAKING = threading.Lock()
"""Of two that threads made at once, one would be dropped with the call that it was to pass on."""


@cache
def _gui_thread(application: QCoreApplication) -> GuiThread:
    return GuiThread(application)
