"""Draws what is compared, off the GUI thread."""

from __future__ import annotations

import time
from collections.abc import Callable

from qtpy.QtCore import QObject

from napari_emgauss._napari.workers.background import Background
from napari_emgauss._napari.workers.turns import Turns
from napari_emgauss.evaluation import GreyImages, SideBySide
from napari_emgauss.interpolation.plain import Baseline
from napari_emgauss.methods.emgauss import Reconstruction
from napari_emgauss.volume import Volume

CUTS = {"xz": 1, "yz": 2}
"""Places of the cuts and the axes they are taken along."""

PATIENCE_S = 0.5
"""Cuts that were overtaken are drawn to their end if they began no longer ago, so that dragging shows some."""


class Drawing:
    """Prepares, then draws what is asked for; only the latest request is answered.

    Parameters
    ----------
    parent
        Widget with whose end the drawing ends.
    prepared
        Gets what can be drawn from.
    drawn
        Gets what the images are of, and those of the section, at xy.
    cut
        Gets what the images are of, the pixels asked for, and the images at xz and yz that came about.
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
        self._cut_turns = Turns(parent)
        self._preparing = Background(parent, name="emgauss-compare-stack")
        self._sections = Background(parent, name="emgauss-compare-sections")
        self._cuts = Background(parent, name="emgauss-compare-cuts")

    @property
    def busy(self) -> bool:
        """Whether something is still to come."""
        return self._preparing.busy or self._sections.busy or self._cuts.busy

    def prepare(self, reconstruction: Reconstruction, volume: Volume, baseline: Baseline) -> None:
        """Get ready to draw these."""
        self.forget()
        self._preparing.submit(
            lambda: SideBySide(reconstruction, volume, baseline), done=self._prepared, failed=self._failed
        )

    def section(self, pair: SideBySide, z: float) -> None:
        """Draw the section at ``z``."""

        def work() -> dict[str, GreyImages]:
            return {"xy": pair.grey(pair.section(z))}

        self._sections.submit(work, done=lambda images: self._drawn(pair, images), failed=self._failed)

    def cuts(self, pair: SideBySide, indices: dict[str, int]) -> None:
        """Draw the cuts at these pixels; cuts still being drawn are finished if that takes no longer than moments."""
        overtaken, begun = self._cut_turns.begin(), time.monotonic()

        def over() -> bool:
            return overtaken() and time.monotonic() - begun > PATIENCE_S

        def work() -> dict[str, GreyImages]:
            drawn = {}
            for place, index in indices.items():
                images = pair.cut(CUTS[place], index, stop=over)
                if images is None:
                    break
                drawn[place] = pair.grey(images)
            return drawn

        self._cuts.submit(work, done=lambda images: self._cut(pair, indices, images), failed=self._failed)

    def forget(self) -> None:
        """Drop what is still to come."""
        self._cut_turns.end()
        for background in (self._preparing, self._sections, self._cuts):
            background.forget()
