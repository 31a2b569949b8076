"""Previews of a stack in training that come from its draft."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject

from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.training import Preview

LOGGER = logging.getLogger("napari_emgauss")
PATIENCE_S = 1.0
"""Sections that take longer are drawn roughly first."""


class DraftPreviews:
    """Drawing of a draft at the depth in view, off the GUI thread: at first, and where it takes long, roughly before.

    Parameters
    ----------
    parent
        Widget with whose end it ends.
    show
        Gets each preview, in the GUI thread.
    """

    def __init__(self, parent: QObject, show: Callable[[Preview], None]) -> None:
        self._worker = Worker(parent, name="emgauss-draft")
        self._show = show
        self._seconds = float("inf")

    def draw(self, draft: Any, z: float) -> None:
        """Draw the section coordinate ``z``; what is asked for later takes its place."""
        if self._seconds > PATIENCE_S:
            self._submit(lambda: draft.preview(z, at_once=True), lambda preview: self._take_rough(preview, draft, z))
        else:
            self._draw_well(draft, z)

    def forget(self) -> None:
        """Show nothing more; the next draft is a new one."""
        self._worker.forget()
        self._seconds = float("inf")

    def _take_rough(self, preview: Preview, draft: Any, z: float) -> None:
        self._show(preview)
        self._draw_well(draft, z)

    def _draw_well(self, draft: Any, z: float) -> None:
        def work() -> tuple[Preview, float]:
            start = time.perf_counter()
            return draft.preview(z), time.perf_counter() - start

        self._submit(work, self._take)

    def _take(self, drawn: tuple[Preview, float]) -> None:
        preview, self._seconds = drawn
        self._show(preview)

    def _submit(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._worker.submit_newest(work, done=done, failed=_log)


def _log(error: BaseException) -> None:
    """Leave it to the training, which meets the same, to tell the person."""
    LOGGER.warning("no draft could be drawn: %s", error, exc_info=error)
