"""Sums over scattered frequencies, by way of a regular grid of frequencies.

A value at a frequency between the nodes is spread over its neighbours by a kernel; what that does in real space is
divided out (O'Sullivan 1985; the kernel is that of Barnett, Magland & af Klinteberg 2019).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

from napari_emgauss._types import FloatArray
from napari_emgauss.runtime.jit import njit_nogil

ComplexArray = npt.NDArray[np.complex64]
TABLE_STEPS = 512
"""Steps per node of the table of a kernel."""
COLUMNS = 16
"""Columns of a grid that are transformed at a time."""


@dataclass(frozen=True, eq=False)
class SpreadingKernel:
    """A kernel ψ(t) that is zero beyond ``reach`` nodes.

    Parameters
    ----------
    reach
        Half its width in nodes.
    profile
        ψ as a function of t / reach in 0..1.
    """

    reach: int
    profile: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]

    @cached_property
    def table(self) -> FloatArray:
        """Return ψ at distances of k / TABLE_STEPS nodes, with a zero beyond the end."""
        t = np.arange(self.reach * TABLE_STEPS + 1) / (self.reach * TABLE_STEPS)
        return np.append(self.profile(t), 0).astype(np.float32)

    def transform(self, positions: npt.NDArray[np.float64], n_nodes: int) -> npt.NDArray[np.float64]:
        """Return ∫ ψ(t) cos(2π t x / n) dt at positions x, what spreading multiplies real space by along an axis."""
        nodes, weights = np.polynomial.legendre.leggauss(200)
        t = 0.5 * self.reach * (nodes + 1)
        waves = np.cos(2 * np.pi * positions[:, None] * t / n_nodes)
        transformed: npt.NDArray[np.float64] = waves @ (self.reach * weights * self.profile(t / self.reach))
        return transformed


def _semicircle(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    profile: npt.NDArray[np.float64] = np.exp(2.3 * 2 * EXACT_REACH * (np.sqrt(np.maximum(1 - t**2, 0)) - 1))
    return profile


def _triangle(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1 - t


EXACT_REACH = 2
EXACT = SpreadingKernel(EXACT_REACH, _semicircle)
"""Relative error about 1e-3 within a third of the grid's period."""
LINEAR = SpreadingKernel(1, _triangle)
"""Trilinear interpolation, as RELION's back-projection has it."""


@njit_nogil
def _neighbours(at: float, table: FloatArray, reach: int, shares: FloatArray) -> int:
    """Write the shares of the nodes around a place; return the first of these nodes."""
    steps = np.float64((table.shape[0] - 2) // reach)
    first = int(np.floor(at)) - reach + 1
    for k in range(2 * reach):
        place = abs(first + k - at) * steps
        cell = int(place)
        part = np.float32(place - cell)
        shares[k] = table[cell] + part * (table[cell + 1] - table[cell])
    return first


@njit_nogil
def spread(
    points: npt.NDArray[np.float64], values: npt.NDArray[Any], table: FloatArray, reach: int, grid: npt.NDArray[Any]
) -> None:
    """Add values at ``points`` (n, 3), z y x in nodes, and their conjugates at -points, to a half grid.

    The grid (m, m, m // 2 + 1) has the layout of ``rfftn``.
    """
    m = grid.shape[0]
    sz, sy, sx = np.empty(2 * reach, np.float32), np.empty(2 * reach, np.float32), np.empty(2 * reach, np.float32)
    for i in range(points.shape[0]):
        z, y, x = points[i, 0], points[i, 1], points[i, 2]
        value = values[i]
        if x < 0:
            z, y, x, value = -z, -y, -x, np.conj(value)
        z0, y0, x0 = (
            _neighbours(z, table, reach, sz),
            _neighbours(y, table, reach, sy),
            _neighbours(x, table, reach, sx),
        )
        inside = x0 > 0 and x0 + 2 * reach <= m // 2 + 1
        for a in range(2 * reach):
            nz = (z0 + a) % m
            for b in range(2 * reach):
                row, part = grid[nz, (y0 + b) % m], sz[a] * sy[b] * value
                if inside:
                    for c in range(2 * reach):
                        row[x0 + c] += sx[c] * part
                    continue
                mirrored = grid[-(z0 + a) % m, -(y0 + b) % m]
                for c in range(2 * reach):
                    nx = x0 + c
                    if 0 <= nx <= m // 2:
                        row[nx] += sx[c] * part
                    if -(m // 2) <= nx <= 0:
                        mirrored[-nx] += sx[c] * np.conj(part)


@njit_nogil
def gather(
    points: npt.NDArray[np.float64], grid: FloatArray, table: FloatArray, reach: int, values: FloatArray
) -> None:
    """Write what half grids have at ``points`` (n, 3), z y x in nodes, into ``values`` (n, 2 g).

    It is the adjoint of `spread`. The g grids (m, m, m // 2 + 1, 2 g) are one array, real and imaginary parts by turns.
    """
    m, n_parts = grid.shape[0], grid.shape[3]
    sz, sy, sx = np.empty(2 * reach, np.float32), np.empty(2 * reach, np.float32), np.empty(2 * reach, np.float32)
    conjugate = np.ones(n_parts, np.float32)
    conjugate[1::2] = -1
    total = np.empty(n_parts, np.float32)
    for i in range(points.shape[0]):
        z, y, x = points[i, 0], points[i, 1], points[i, 2]
        mirrored = x < 0
        if mirrored:
            z, y, x = -z, -y, -x
        z0, y0, x0 = (
            _neighbours(z, table, reach, sz),
            _neighbours(y, table, reach, sy),
            _neighbours(x, table, reach, sx),
        )
        total[:] = 0
        for a in range(2 * reach):
            for b in range(2 * reach):
                row, opposite = grid[(z0 + a) % m, (y0 + b) % m], grid[-(z0 + a) % m, -(y0 + b) % m]
                for c in range(2 * reach):
                    nx = x0 + c
                    share = sz[a] * sy[b] * sx[c]
                    if 0 <= nx <= m // 2:
                        for g in range(n_parts):
                            total[g] += share * row[nx, g]
                    else:
                        for g in range(n_parts):
                            total[g] += share * conjugate[g] * opposite[-nx if nx < 0 else m - nx, g]
        for g in range(n_parts):
            values[i, g] = total[g] * conjugate[g] if mirrored else total[g]


def to_real_space(grid: npt.NDArray[np.generic], kernel: SpreadingKernel, side_px: int) -> FloatArray:
    """Return Σ v exp(2πi k·x) (side, side, side) of what was spread on a half grid, x = 0 at side // 2.

    Axis after axis is transformed and cut, some columns at a time: no grid of the whole size is made.
    """
    m, half = grid.shape[0], grid.shape[2]
    inner = (np.arange(side_px) - side_px // 2) % m
    envelope = (kernel.transform(np.arange(side_px, dtype=np.float64) - side_px // 2, m) / m).astype(np.float32)
    rows = np.empty((side_px, side_px, half), np.complex64)
    for start in range(0, half, COLUMNS):
        part = fft.ifft(grid[:, :, start : start + COLUMNS], axis=0, workers=1)[inner]
        rows[:, :, start : start + COLUMNS] = fft.ifft(part, axis=1, overwrite_x=True, workers=1)[:, inner]
    found = np.empty((side_px,) * 3, np.float32)
    for z in range(side_px):
        plane = fft.irfft(rows[z], n=m, axis=1, workers=1)[:, inner]
        found[z] = plane / (envelope[z] * envelope[:, None] * envelope)
    return found


def to_fourier_space(volume: FloatArray, kernel: SpreadingKernel, m: int) -> ComplexArray:
    """Return the half grid (m, m, m // 2 + 1) on which `gather` finds Σ v exp(-2πi k·x), x = 0 at side // 2."""
    side = volume.shape[0]
    envelope = kernel.transform(np.arange(side, dtype=np.float64) - side // 2, m).astype(np.float32)
    whole = np.zeros((m, m, m), np.float32)
    inner = (np.arange(side) - side // 2) % m
    divided = volume / (envelope[:, None, None] * envelope[:, None] * envelope)
    whole[np.ix_(inner, inner, inner)] = divided
    return np.asarray(fft.rfftn(whole, workers=1), np.complex64)
