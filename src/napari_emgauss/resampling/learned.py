"""Interpolation by the prior alone, which sees what a reconstruction sees: some of a stack's sections, at all its z."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from napari_emgauss._types import FloatArray, Region
from napari_emgauss.blocks import observed_coordinate
from napari_emgauss.interpolation.prior import Contrast, PriorInterpolator
from napari_emgauss.interpolation.prior.interpolator import MARGIN_PX
from napari_emgauss.resampling.plain import ObservedSections
from napari_emgauss.volume import Volume

LEARNED = "learned"
"""Name of the method."""
_CONTRAST_SECTIONS, _CONTRAST_PX = 9, 1024


class LearnedInterpolation:
    """Sections at any z of the whole stack, predicted by the network that has learned from other volumes.

    Parameters
    ----------
    volume
        The whole stack.
    observed
        Indices of the sections to predict from, increasing, at least two.
    """

    name = LEARNED

    def __init__(self, volume: Volume, observed: Sequence[int]) -> None:
        self.volume, self.observed = volume, list(observed)

    @cached_property
    def _whole(self) -> PriorInterpolator:
        return self._within(None)

    def _within(self, region: Region | None) -> PriorInterpolator:
        sections = ObservedSections(self.volume, self.observed, region)
        return PriorInterpolator(sections, self.volume.factor, z=self.observed, contrast=self._contrast)

    @cached_property
    def _contrast(self) -> Contrast:
        """Of the middles of some sections."""
        _, height, width = self.volume.shape
        (y0, y1), (x0, x1) = (
            (max(0, (n - _CONTRAST_PX) // 2), min(n, (n + _CONTRAST_PX) // 2)) for n in (height, width)
        )
        some = np.unique(np.linspace(0, len(self.observed) - 1, _CONTRAST_SECTIONS).round().astype(int))
        sections = [self.volume.section(self.observed[i], (y0, y1, x0, x1)) for i in some]
        return Contrast.of(np.stack(sections).astype(np.float32))

    def section(self, z: float, region: Region | None = None) -> FloatArray:
        """Return the image (Y, X) at section coordinate ``z`` of the whole stack, in its intensity units.

        A region (y0, y1, x0, x1) of it is exactly that, and is read and predicted without the rest.

        Raises
        ------
        SectionRangeError
            ``z`` is outside the first to the last observed section.
        """
        return self._whole.section(observed_coordinate(self.observed, z), region)

    def cut(self, zs: Sequence[float], *, axis: int, index: int) -> FloatArray:
        """Return row (``axis`` 1) or column (2) ``index`` of the sections ``zs``, predicted from the strip around it.

        Returns
        -------
        float32 (len(zs), X or Y): what the sections show there, but for what the network sees beyond its margin.

        Raises
        ------
        SectionRangeError
            As `section`.
        """
        _, height, width = self.volume.shape
        step = self._whole.network.config.multiple_px  # where the network's coarse pixels begin
        low, high = max(index - MARGIN_PX, 0) // step * step, min(index + MARGIN_PX + 1, (height, width)[axis - 1])
        thin = self._within((low, high, 0, width) if axis == 1 else (0, height, low, high))
        lines = [thin.section(observed_coordinate(self.observed, z)).take(index - low, axis - 1) for z in zs]
        return np.stack(lines)
