"""Pause, resume and stop from another thread."""

from __future__ import annotations

import threading


class Control:
    """Requests to a running training; every method may be called from any thread, any number of times."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._running = threading.Event()
        self._running.set()
        self._at_once = threading.Event()
        self.preview_at: tuple[float, ...] | None = None
        """Position in the input's own coordinates, first axis first, at which previews are wanted. A method reads as
        many of its numbers as it needs, and chooses by itself where it is None or outside the block in training."""

    def pause(self) -> None:
        """Hold after the present iteration."""
        self._running.clear()

    def resume(self) -> None:
        """Go on."""
        self._running.set()

    def stop(self, *, at_once: bool = False) -> None:
        """End after the present iteration and keep what was learned; also ends a pause.

        What was not trained yet is then kept as well as it can be in a short time. ``at_once``, or a second call, saves
        that time.
        """
        if at_once or self.stopped:
            self._at_once.set()
        self._stop.set()
        self._running.set()

    @property
    def paused(self) -> bool:
        """Whether a pause is asked for, and no stop."""
        return not self._running.is_set() and not self.stopped

    @property
    def stopped(self) -> bool:
        """Whether a stop is asked for."""
        return self._stop.is_set()

    @property
    def stopped_at_once(self) -> bool:
        """Whether a stop is asked for that takes no time for what was not trained."""
        return self._at_once.is_set()

    def wait_while_paused(self) -> None:
        """Block until not paused, or stopped."""
        # In short waits: a pause asked for just after a stop must not hold, and Ctrl-C must get through on Windows.
        while self.paused:
            self._running.wait(0.1)

    def held(self) -> bool:
        """Wait while paused; whether a stop is asked for."""
        self.wait_while_paused()
        return self.stopped
