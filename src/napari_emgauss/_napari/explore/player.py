"""The clock of playing."""

from __future__ import annotations

import time

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_emgauss._napari.controls.elements import timer

FRAME_MS = 33
LONGEST_S = 0.25
"""A frame that was held up must not make the picture jump."""


class Player(QObject):
    """Clock that tells the seconds since its last frame, while it is on."""

    advanced = Signal(float)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._last_s = 0.0
        self._timer = timer(self, FRAME_MS, self._advance)

    @property
    def playing(self) -> bool:
        """Whether it is on."""
        return self._timer.isActive()

    def play(self, playing: bool) -> None:
        """Switch it on or off."""
        self._last_s = time.perf_counter()
        self._timer.start() if playing else self._timer.stop()

    def _advance(self) -> None:
        now = time.perf_counter()
        seconds, self._last_s = min(now - self._last_s, LONGEST_S), now
        self.advanced.emit(seconds)
