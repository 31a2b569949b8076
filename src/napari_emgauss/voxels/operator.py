"""The slices that a volume of voxels would give: a linear operator A, and its adjoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.registration.kernels import predict, scatter
from napari_emgauss.registration.pixels import SlicePixels
from napari_emgauss.runtime.threads import even_ranges, for_each
from napari_emgauss.slices import WorldGrid

_SUMS = 4
"""Parts of an adjoint that are added up; a constant, so that results do not depend on the number of threads."""


class SliceOperator:
    """A: voxels to pixels, by the profile's quadrature with trilinear weights.

    Parameters
    ----------
    grid
        Of the voxels.
    pixels
        Of each stack.
    motion
        Of each stack's slices (n, 6).
    """

    def __init__(self, grid: WorldGrid, pixels: Sequence[SlicePixels], motion: Sequence[AnyArray]) -> None:
        self.grid, self.pixels = grid, tuple(pixels)
        ends = np.cumsum([0, *(part.n_pixels for part in pixels)])
        self._jobs = []
        for start, part, moved in zip(ends, pixels, motion, strict=False):
            places, nodes = part.places(moved, grid)
            for s in range(part.stack.n_slices):
                mine = part.of_slice(s)
                if mine.stop > mine.start:
                    whole = slice(int(start) + mine.start, int(start) + mine.stop)
                    rows, columns = part.rows[mine], part.columns[mine]
                    self._jobs.append((places[s], nodes[s], part.nodes[1], rows, columns, whole))
        self.n_pixels = int(ends[-1])

    def forward(self, values: FloatArray) -> FloatArray:
        """Return A x: pixels (n,) of voxels (z, y, x); stack by stack, in the order of their `SlicePixels`."""
        out = np.zeros(self.n_pixels, np.float32)
        for_each(lambda job: predict(values, *job[:5], out[job[5]]), self._jobs)
        return out

    def adjoint(self, pixels: FloatArray) -> FloatArray:
        """Return Aᵀ y: voxels (z, y, x) of pixels (n,)."""
        parts = even_ranges(len(self._jobs), _SUMS)
        sums = np.zeros((len(parts), *self.grid.shape), np.float32)

        def one(k: int) -> None:
            for job in self._jobs[slice(*parts[k])]:
                scatter(sums[k], *job[:5], pixels[job[5]])

        for_each(one, range(len(parts)))
        return np.asarray(sums.sum(0))
