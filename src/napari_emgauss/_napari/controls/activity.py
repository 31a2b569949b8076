"""An entry in napari's activity dock."""

from __future__ import annotations

import contextlib
import io
from typing import Any


def redraw() -> None:
    """Let the window repaint, but take no clicks, in the middle of work that cannot leave the GUI thread."""
    from qtpy.QtCore import QCoreApplication, QEventLoop, QThread

    application = QCoreApplication.instance()
    if application is not None and application.thread() is QThread.currentThread():
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)


class Activity:
    """Something that is going on; all calls from the GUI thread."""

    def __init__(self) -> None:
        self._entry: Any | None = None
        self._ended = False
        self._opening = self._wanted = False

    def open(self, text: str, total: int) -> None:
        """Begin an entry of ``total`` steps."""
        from napari.utils import progress

        self.close()
        self._wanted = not self._ended
        if self._ended or self._opening:
            return
        self._opening = True
        try:
            # All events are processed before it returns: another may be opened meanwhile, or this one closed.
            self._entry = progress(total=total, desc=text, file=io.StringIO())  # the terminal needs no second bar
        finally:
            self._opening = False
        if not self._wanted:
            self.close()

    def show(self, done: int) -> None:
        """Say how much is done."""
        if self._entry is not None and done > self._entry.n:
            self._entry.update(done - self._entry.n)

    def end(self) -> None:
        """End the entry for good: news that are still on their way begin no other one."""
        self._ended = True
        self.close()

    def close(self) -> None:
        """End the entry, also when the dock is gone."""
        self._wanted = False
        entry, self._entry = self._entry, None
        if entry is not None:
            with contextlib.suppress(KeyError, RuntimeError):
                entry.close()
