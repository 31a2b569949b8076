"""A call into the GUI thread that other threads ask for."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from qtpy.QtCore import QCoreApplication, QTimer
from superqt.utils import ensure_main_thread


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
        _in_gui_thread(self._answer)

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


@ensure_main_thread
def _in_gui_thread(call: Callable[[], None]) -> None:
    call()
