"""Boxes of a virtual volume computed off the GUI thread, in the order in which they are likely to be wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence

from qtpy.QtCore import QTimer

from napari_emgauss._napari.controls.notify import report
from napari_emgauss._types import AnyArray

Work = Callable[[], AnyArray]
Result = tuple[Hashable, AnyArray | BaseException]
POLL_MS = 8


class Loader:
    """Computes boxes in a thread that exists only while there are some to compute.

    A new request replaces those that have not begun. The thread never touches a Qt object; results are fetched by a
    timer in the GUI thread, which stops when there is nothing more to come.

    Parameters
    ----------
    loaded
        Called in the GUI thread with the key and the array of everything that was computed.
    """

    def __init__(self, loaded: Callable[[Hashable, AnyArray], None]) -> None:
        self._loaded = loaded
        self._queue = _Queue()
        self._timer: QTimer | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being computed or waits to be delivered."""
        return self._queue.busy

    def request(self, requests: Sequence[tuple[Hashable, Work]]) -> None:
        """Compute these, the first one first, instead of what waits; to be called in the GUI thread."""
        if self._queue.replace(requests):
            # The queue's method, not this object's: a thread that ends last would destroy the timer.
            threading.Thread(target=self._queue.work_off, name="emgauss-planes", daemon=True).start()
        if self._timer is None:
            self._timer = QTimer()
            self._timer.setInterval(POLL_MS)
            self._timer.timeout.connect(self.deliver)
        self._timer.start()

    def deliver(self) -> None:
        """Hand over what is ready; called by the timer."""
        results, idle = self._queue.take()
        if idle and self._timer is not None:
            self._timer.stop()
        for key, result in results:
            if isinstance(result, BaseException):
                report(result)
            else:
                self._loaded(key, result)


class _Queue:
    """What waits to be computed and what was, shared by the GUI thread and the one that computes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Hashable, Work]] = []
        self._current: Hashable | None = None
        self._running = False
        self._results: list[Result] = []

    @property
    def busy(self) -> bool:
        """Whether anything is not yet taken."""
        with self._lock:
            return self._running or bool(self._results)

    def replace(self, requests: Sequence[tuple[Hashable, Work]]) -> bool:
        """Let ``requests`` wait, but for what is being computed or done; whether a thread must be started."""
        with self._lock:
            pending = {self._current, *(key for key, _ in self._results)}
            self._waiting = [request for request in requests if request[0] not in pending]
            start = bool(self._waiting) and not self._running
            self._running = self._running or start
            return start

    def take(self) -> tuple[list[Result], bool]:
        """The results so far, and whether none will follow."""
        with self._lock:
            results, self._results = self._results, []
            return results, not self._running

    def work_off(self) -> None:
        """Compute until nothing waits; what the thread runs."""
        from napari_emgauss.runtime.torch_threads import use_one_torch_thread

        use_one_torch_thread()
        while True:
            with self._lock:
                if not self._waiting:
                    self._current, self._running = None, False
                    return
                self._current, work = self._waiting.pop(0)
            try:
                result: AnyArray | BaseException = work()
            except BaseException as error:  # noqa: BLE001 - handed to the GUI thread
                result = error
            with self._lock:
                self._results.append((self._current, result))
