"""Pictures of a draft that are drawn in moments, and stand in until good ones are ready."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable

from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss._types import AnyArray
from napari_emgauss.methods.emgauss import Draft
from napari_emgauss.resampling.box import Ranges
from napari_emgauss.resampling.planes import Planes

LOGGER = logging.getLogger("napari_emgauss")


class RoughPictures:
    """The newest box that was drawn roughly.

    Parameters
    ----------
    draft
        What is drawn.
    planes
        Its grid.
    """

    def __init__(self, draft: Draft, planes: Planes) -> None:
        self._planes = Planes(draft.rough, planes.voxel_size_nm, dtype=planes.dtype)
        self._worker = Worker(None, name="emgauss-rough")
        self._latest: tuple[Ranges, AnyArray] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being drawn."""
        return self._worker.busy

    def recall(self, ranges: Ranges) -> AnyArray | None:
        """Return the box, if it is the newest."""
        return self._latest[1] if self._latest is not None and self._latest[0] == ranges else None

    def has(self, ranges: Hashable) -> bool:
        """Tell whether the newest box is this one."""
        return self._latest is not None and self._latest[0] == ranges

    def draw(self, ranges: Ranges, done: Callable[[], None]) -> None:
        """Draw a box off the GUI thread, instead of those that wait, and call ``done``."""

        def take(block: AnyArray) -> None:
            self._latest = ranges, block
            done()

        z, y, x = (slice(r.start, r.stop, r.step) for r in ranges)
        planes = self._planes
        self._worker.submit_newest(lambda: planes[z, y, x], done=take, failed=_log)

    def forget(self) -> None:
        """Draw nothing more."""
        self._worker.forget()


def _log(error: BaseException) -> None:
    """Leave it to the good picture, or the training, which meets the same, to tell the person."""
    LOGGER.warning("nothing could be drawn roughly: %s", error, exc_info=error)
