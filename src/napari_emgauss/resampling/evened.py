"""Sections that are as smooth where they were observed as between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_emgauss._types import FloatArray, Region, Triple
from napari_emgauss.resampling.protocol import Renderable

REACH = 1 / 3
"""How far from an observed section its neighbours are drawn that it is mixed with, in sections."""
SHARE = 0.5
"""Of these neighbours, at the section itself."""
WITHIN = 0.15
"""Farther from a section than this nothing is mixed, in sections."""


@dataclass(frozen=True)
class EvenedSections:
    """A source whose observed sections are mixed with what was predicted beside them; between them it is the same.

    Observed sections have noise and fine detail that no prediction has: seen from the side, sharp and smooth planes
    take turns. Of the two this takes from the sharp ones.

    Attributes
    ----------
    source
        What is drawn.
    observed
        Coordinates of its observed sections. The first and the last of the stack stay as they are.
    """

    source: Renderable
    observed: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """The observed stack's (sections, Y, X)."""
        return self.source.shape

    @property
    def voxel_size_nm(self) -> Triple:
        """The observed stack's (z, y, x)."""
        return self.source.voxel_size_nm

    @property
    def origin_nm(self) -> Triple:
        """Centre of the observed stack's first voxel."""
        return self.source.origin_nm

    @property
    def dtype(self) -> np.dtype[Any]:
        """The observed stack's."""
        return self.source.dtype

    @property
    def z_range(self) -> tuple[float, float]:
        """First and last section coordinate."""
        return self.source.z_range

    @property
    def display_range(self) -> tuple[float, float]:
        """Of the source."""
        return self.source.display_range

    @property
    def record(self) -> Mapping[str, Any]:
        """Of the source, and that it was evened."""
        return {**self.source.record, "evened": True}

    def share(self, z: float) -> float:
        """Return how much of the section at ``z`` is taken from its neighbours."""
        section, (first, last) = round(z), self.z_range
        if section not in self.observed or not first + REACH <= z <= last - REACH:
            return 0.0
        return SHARE * max(0.0, 1 - abs(z - section) / WITHIN)

    def render(self, z: float, *, region: Region | None = None, zoom: float = 1.0) -> FloatArray:
        """Draw the section at ``z``, as `Renderable` has it."""
        image, share = self.source.render(z, region=region, zoom=zoom), self.share(z)
        if share == 0:
            return image
        below, above = (self.source.render(z + step, region=region, zoom=zoom) for step in (-REACH, REACH))
        return np.asarray((1 - share) * image + share / 2 * (below + above), np.float32)

    def lines(self, zs: Sequence[float], *, axis: int, index: int) -> FloatArray | None:
        """Draw lines across the sections ``zs``, as `Renderable` has it."""
        shares, found = np.array([self.share(z) for z in zs], np.float32), list[FloatArray]()
        for step in (-REACH, 0.0, REACH):
            shifted = [z + step if share > 0 else z for z, share in zip(zs, shares, strict=True)]
            lines = self.source.lines(shifted, axis=axis, index=index)
            if lines is None:
                return None
            found.append(lines)
        (below, image, above), mixed = found, shares[:, None]
        return np.asarray((1 - mixed) * image + mixed / 2 * (below + above), np.float32)
