"""The follower of a job's folder, off the GUI thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import QObject

from napari_emgauss._napari.workers.gui_call import GuiCall
from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.jobs import JobStatus, JobWatch, last_error

LOOK_EVERY_S = 0.7
STEP_S = 0.05
"""A look that is no longer wanted ends within this time."""


@dataclass(frozen=True, kw_only=True)
class JobNews:
    """What a look at a job's folder found."""

    folder: Path
    status: JobStatus | None
    """None before the job is described."""
    watch: JobWatch | None = None
    """Knows more of every block."""
    problem: str = ""
    """Why there is no status."""
    error: str = ""
    """What the latest process that was begun from here ended with."""


class JobFollower:
    """Looks at a job's folder now and then, and tells what it found.

    Parameters
    ----------
    parent
        Widget with whose end it ends.
    on_news
        Called in the GUI thread with the newest.
    """

    def __init__(self, parent: QObject, on_news: Callable[[JobNews], None]) -> None:
        self._on_news = on_news
        self._news: deque[JobNews] = deque(maxlen=1)
        self._call = GuiCall(self._deliver)
        self._wake = threading.Event()
        self._worker = Worker(parent, name="emgauss-job", draws=False)
        parent.destroyed.connect(self._call.close)

    def follow(self, folder: Path) -> None:
        """Follow the job in a folder instead of another one."""
        self.end()
        news, worker, tell = self._news, self._worker, self._call.request
        wake = self._wake = threading.Event()
        worker.submit(lambda: _follow(folder, worker, wake, news, tell), done=lambda _: None)

    def look_now(self) -> None:
        """Look at once: something was changed."""
        self._wake.set()

    def end(self) -> None:
        """Follow nothing."""
        self._worker.forget()
        self._wake.set()
        self._news.clear()

    def _deliver(self) -> None:
        if self._news:
            self._on_news(self._news.pop())


def _follow(
    folder: Path, worker: Worker, wake: threading.Event, news: deque[JobNews], tell: Callable[[], None]
) -> None:
    watch: JobWatch | None = None
    while not worker.overtaken:
        wake.clear()
        status, problem = None, ""
        try:
            watch = watch or JobWatch(folder)
            status = watch.look()
        except (FileFormatError, OSError) as refusal:
            problem = str(refusal)
        if worker.overtaken:
            return
        error = last_error(folder)
        news.append(JobNews(folder=folder, status=status, watch=watch, problem=problem, error=error))
        tell()
        end_s = time.monotonic() + LOOK_EVERY_S
        while time.monotonic() < end_s and not worker.overtaken and not wake.is_set():
            wake.wait(STEP_S)
