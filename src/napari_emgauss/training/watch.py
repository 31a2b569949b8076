"""Pause, stop and progress of a run beside its blocks: what comes before them, within them and after them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from napari_emgauss.training.control import Control
from napari_emgauss.training.events import Event, Progress

PROGRESS_EVERY_S = 0.1


class Watch:
    """The one keeper of progress outside the training loop.

    Parameters
    ----------
    control
        Pause and stop.
    emit
        Gets a `Progress` now and then.
    n_iterations
        Iterations of all blocks.
    """

    def __init__(self, control: Control, emit: Callable[[Event], None], n_iterations: int = 0) -> None:
        self.n_iterations = n_iterations
        self.last: Progress | None = None
        """Latest progress that counted iterations."""
        self.control = control
        """Pause and stop, for what does not ask the watch."""
        self._emit = emit
        self._begun = time.monotonic()
        self._told = self._paused = 0.0
        self._stage, self._stage_begun = "", 0.0

    @property
    def stopped(self) -> bool:
        """Whether a stop is asked for."""
        return self.control.stopped

    @property
    def stopped_at_once(self) -> bool:
        """Whether a stop is asked for that takes no time for what was not trained."""
        return self.control.stopped_at_once

    @property
    def seconds(self) -> float:
        """Time since the beginning, pauses left out."""
        return time.monotonic() - self._begun - self._paused

    def so_far(self) -> Progress:
        """Return the progress by now: what comes next continues from its iterations and seconds."""
        begun = Progress.outside_blocks("", 0, self.n_iterations, seconds=0.0, seconds_left=0.0)
        return replace(self.last or begun, seconds=self.seconds)

    def held(self) -> bool:
        """Wait while paused; return whether a stop is asked for."""
        start = time.monotonic()
        self.control.wait_while_paused()
        self._paused += time.monotonic() - start
        return self.stopped

    def tell_iterations(self, stage: str, done: int, total: int) -> None:
        """Report ``done`` of ``total`` iterations of a stage that comes before the blocks and counts like them."""
        seconds, spent = self.seconds, self._spent_in(stage, done)
        left = spent / max(done - 1, 1) * (total - done)
        self.last = Progress.outside_blocks(stage, done, total + self.n_iterations, seconds=seconds, seconds_left=left)
        if (done > 1 and self._due()) or done == total:
            self._emit(self.last)

    def tell(self, stage: str, done: int, total: int) -> None:
        """Report ``done`` of ``total`` things of a stage that count as no iterations."""
        first = stage != self._stage or done <= 1
        spent = self._spent_in(stage, done)
        if first or not self._due():  # nothing is known of the time left
            return
        left = spent / max(done - 1, 1) * max(total - done, 0)
        begun = Progress.outside_blocks(stage, 0, self.n_iterations, seconds=self.seconds, seconds_left=left)
        before = self.last or begun
        self._emit(replace(before, stage=stage, seconds_left=left, of_stage=True))

    def pass_on(self, event: Event) -> None:
        """Pass on an event of the blocks, whose progress counts."""
        if isinstance(event, Progress):
            self.last = event
        self._emit(event)

    def _spent_in(self, stage: str, done: int) -> float:
        """Seconds in a stage, which begins anew with its first thing."""
        if stage != self._stage or done <= 1:
            self._stage, self._stage_begun = stage, self.seconds
        return self.seconds - self._stage_begun

    def _due(self) -> bool:
        now = time.monotonic()
        if now - self._told < PROGRESS_EVERY_S:
            return False
        self._told = now
        return True
