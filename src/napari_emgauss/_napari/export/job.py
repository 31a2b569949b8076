"""One export in the background: what the worker does, and what the GUI thread may ask about it."""

from __future__ import annotations

import threading
from pathlib import Path

from napari_emgauss._napari.controls.activity import Activity
from napari_emgauss.resampling.export import Exported, export
from napari_emgauss.resampling.planes import Planes


class ExportJob:
    """Exports once; `cancel` and the counters may be used from any thread."""

    def __init__(self, part: Planes, path: Path | None, *, in_memory: bool) -> None:
        self.part, self.path, self.in_memory = part, path, in_memory
        self.done = 0
        self.total = len(part)
        self._cancelled = threading.Event()

    def run(self) -> Exported:
        """Do it, in a worker."""
        return export(
            self.part,
            self.path,
            in_memory=self.in_memory,
            overwrite=True,  # the user was asked
            progress=self._count,
            cancelled=self._cancelled.is_set,
        )

    def cancel(self) -> None:
        """Stop before the next plane and leave no file."""
        self._cancelled.set()

    def _count(self, done: int, total: int) -> None:
        self.done, self.total = done, total


class Ending:
    """What has to happen when the widget is destroyed; holds no Qt object."""

    def __init__(self) -> None:
        self.job: ExportJob | None = None
        self.activity = Activity()

    def __call__(self) -> None:
        """Cancel what runs."""
        if self.job is not None:
            self.job.cancel()
        self.activity.close()
