"""Renderable: anything that draws sections of a stack at any z."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from napari_emgauss._types import FloatArray, Region, Triple


class Renderable(Protocol):
    """Sections of a stack at any section coordinate: a reconstruction, or plain interpolation.

    `Planes` calls `render` for every plane, from one thread at a time; what it is given was checked before.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """The observed stack's (sections, Y, X)."""

    @property
    def voxel_size_nm(self) -> Triple:
        """The observed stack's (z, y, x)."""

    @property
    def origin_nm(self) -> Triple:
        """Centre of the observed stack's first voxel."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The observed stack's."""

    @property
    def z_range(self) -> tuple[float, float]:
        """First and last section coordinate."""

    @property
    def display_range(self) -> tuple[float, float]:
        """Intensities between which nearly all of the stack's lie; a narrower type spreads them over its range."""

    @property
    def record(self) -> Mapping[str, Any]:
        """How it was made: plain JSON values, kept by every volume made from it."""

    def render(self, z: float, *, region: Region | None = None, zoom: float = 1.0) -> FloatArray:
        """Draw the section at ``z``, or pixels (y0, y1, x0, x1) of it, in the stack's intensity units.

        Returns float32 (round((y1 - y0)·zoom), round((x1 - x0)·zoom)).
        """

    def lines(self, zs: Sequence[float], *, axis: int, index: int) -> FloatArray | None:
        """Draw row (axis 1) or column (axis 2) ``index`` of the sections ``zs`` without the rest of them.

        Returns float32 (len(zs), X or Y), or None if sections have to be drawn whole: `render` is called instead.
        """
