"""Drawing of what is compared, off the GUI thread."""

from __future__ import annotations

import time
from collections.abc import Callable

from qtpy.QtCore import QObject

from napari_emgauss._napari.workers.worker import Worker
from napari_emgauss.evaluation import GreyImages, SideBySide
from napari_emgauss.interpolation.plain import Baseline
from napari_emgauss.methods.emgauss import Reconstruction
from napari_emgauss.volume import Volume

CUTS = {"xz": 1, "yz": 2}
"""Names of the cuts and the axes they are taken along."""

PATIENCE_S = 0.5
"""Cuts that were overtaken are drawn to their end if they began no longer ago, so that dragging shows some."""


class PairDrawing:
    """Prepares a pair, then draws what of it is asked for; newer requests take the place of those that wait.

    Parameters
    ----------
    parent
        Widget with whose end the drawing ends.
    prepared
        Gets what can be drawn from.
    drawn
        Gets what the images are of, and those of the section, at xy.
    cut
        Gets what the images are of, the pixels asked for, and the images at xz and yz that were drawn in time.
    failed
        Gets what went wrong.
    """

    def __init__(
        self,
        parent: QObject,
        *,
        prepared: Callable[[SideBySide], None],
        drawn: Callable[[SideBySide, dict[str, GreyImages]], None],
        cut: Callable[[SideBySide, dict[str, int], dict[str, GreyImages]], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._prepared, self._drawn, self._cut, self._failed = prepared, drawn, cut, failed
        self._preparing = Worker(parent, name="emgauss-compare-stack")
        self._sections = Worker(parent, name="emgauss-compare-sections")
        self._cuts = Worker(parent, name="emgauss-compare-cuts")

    @property
    def busy(self) -> bool:
        """Whether something is still to come."""
        return self._preparing.busy or self._sections.busy or self._cuts.busy

    def prepare(self, reconstruction: Reconstruction, volume: Volume, baseline: Baseline) -> None:
        """Get ready to draw these."""
        self.forget()
        self._preparing.submit_newest(
            lambda: SideBySide(reconstruction, volume, baseline), done=self._prepared, failed=self._failed
        )

    def section(self, pair: SideBySide, z: float) -> None:
        """Draw the section at ``z``."""

        def work() -> dict[str, GreyImages]:
            return {"xy": pair.grey(pair.section(z))}

        self._sections.submit_newest(work, done=lambda images: self._drawn(pair, images), failed=self._failed)

    def cuts(self, pair: SideBySide, indices: dict[str, int]) -> None:
        """Draw the cuts at these pixels; cuts still being drawn are finished if that takes moments only."""
        begun = time.monotonic()

        def over() -> bool:
            return self._cuts.overtaken and time.monotonic() - begun > PATIENCE_S

        def work() -> dict[str, GreyImages]:
            drawn = {}
            for place, index in indices.items():
                images = pair.cut(CUTS[place], index, stop=over)
                if images is None:
                    break
                drawn[place] = pair.grey(images)
            return drawn

        self._cuts.submit_newest(work, done=lambda images: self._cut(pair, indices, images), failed=self._failed)

    def forget(self) -> None:
        """Drop what is still to come."""
        for worker in (self._preparing, self._sections, self._cuts):
            worker.forget()
