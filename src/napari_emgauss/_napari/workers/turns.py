"""Which piece of work is still wanted, asked from the thread that does it."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject


class Turns:
    """Only the latest turn is wanted, and none once the parent is destroyed.

    To be made before the parent's `Background`, whose end waits for work that asks here whether to go on.
    """

    def __init__(self, parent: QObject) -> None:
        self._latest = 0
        parent.destroyed.connect(self.end)

    def begin(self) -> Callable[[], bool]:
        """Begin a turn and return what tells whether it is over; safe from any thread."""
        self._latest += 1
        mine = self._latest
        return lambda: self._latest != mine

    def end(self) -> None:
        """No turn is wanted any more."""
        self._latest += 1
