"""One export in the background."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from napari_emgauss.resampling.export import Exported, export
from napari_emgauss.resampling.planes import Planes


class ExportJob:
    """Exports once; `cancel` and the counters may be used from any thread.

    Parameters
    ----------
    part
        What is exported.
    path
        File to write, if any; it may be replaced.
    in_memory
        Whether all planes are kept.
    progress
        Called in the worker after each plane.
    """

    def __init__(self, part: Planes, path: Path | None, *, in_memory: bool, progress: Callable[[], None]) -> None:
        self.part, self.path, self.in_memory = part, path, in_memory
        self.done, self.total = 0, len(part)
        self._progress = progress
        self._cancelled = threading.Event()
        self._started_s = time.monotonic()

    def run(self, stop: Callable[[], bool]) -> Exported:
        """Do it, in a worker, until `cancel` is called or ``stop`` says so."""
        return export(
            self.part,
            self.path,
            in_memory=self.in_memory,
            overwrite=True,  # the user was asked
            progress=self._count,
            cancelled=lambda: self._cancelled.is_set() or stop(),
        )

    def cancel(self) -> None:
        """Stop before the next plane and leave no file."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether it is to stop."""
        return self._cancelled.is_set()

    @property
    def seconds_left(self) -> float | None:
        """Time still needed, None before the first plane."""
        return (time.monotonic() - self._started_s) * (self.total / self.done - 1) if self.done else None

    def _count(self, done: int, _total: int) -> None:
        self.done = done
        self._progress()
