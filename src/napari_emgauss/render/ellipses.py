"""Compiled pieces that all CPU kernels share: what an ellipse covers of an image, row by row.

With d = (dy, dx) from the mean and the conic (a, b, c) = (yy, yx, xx), each image row is drawn around the ridge of the
ellipse, u = x - x_ridge(y) with x_ridge = mean_x - (b / c) dy:

    ½ dᵀΣ⁻¹d = ½ (det / c) dy² + ½ c u²

Both terms are positive, so that nothing cancels (the usual form loses all digits for long, tilted Gaussians in
float32), and the pixels of a row inside the cut-off are exactly u² ≤ 2 (reach - ½ (det / c) dy²) / c.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.render import rules
from napari_emgauss.runtime.jit import njit_nogil

F = np.float32
POSITION_LIMIT_PX = rules.POSITION_LIMIT_PX
CHUNK = 16
"""Pixels of a row that are drawn together: a fixed number, so that LLVM needs no loops over what is left at the ends.
Images have as many columns more on their right; what falls beyond a Gaussian's own pixels is left out by a mask."""


@njit_nogil
def exp_minus(t: Any) -> Any:
    """Return exp(-t) for 0 ≤ t ≤ 5.6 within 2e-6: a least-squares polynomial for exp(-t/8), squared three times.

    Only products and sums, so that LLVM vectorises the loops over pixels, which it cannot with a call of exp.
    """
    s = t * F(-0.125)
    p = F(0.005876452) * s + F(0.039832286)
    p = p * s + F(0.166018131)
    p = p * s + F(0.499897090)
    p = p * s + F(0.999994529)
    p = p * s + F(1.0)
    p *= p
    p *= p
    return p * p


@njit_nogil
def ellipse(means: FloatArray, conics: FloatArray, i: int, reach: float) -> Any:
    """Return the half height in px (negative: not drawn), ½ det / c and b / c of Gaussian i, in float64."""
    a = np.float64(conics[i, 0])
    b = np.float64(conics[i, 1])
    c = np.float64(conics[i, 2])
    det = a * c - b * b
    if not (det > 0 and c > 0 and a < np.inf and c < np.inf and reach > 0):
        return -1.0, 0.0, 0.0
    if not (abs(means[i, 0]) < POSITION_LIMIT_PX and abs(means[i, 1]) < POSITION_LIMIT_PX):
        return -1.0, 0.0, 0.0
    return math.sqrt(2 * reach * c / det), 0.5 * det / c, b / c


@njit_nogil
def span(centre: float, half: float, first: int, stop: int) -> Any:
    """Return the pixels within ``half`` of ``centre``, as a half-open range inside [first, stop)."""
    low = max(math.ceil(centre - half), float(first))
    high = min(math.floor(centre + half) + 1.0, float(stop))
    if not low < high:
        return 0, 0
    return int(low), int(high)


@njit_nogil
def row_of(dy: float, mean_x: float, half_c: float, depth: float, shear: float, reach: float, width: int) -> Any:
    """Return the pixels [x0, x1) of a row inside the cut-off, ½ (det / c) dy² and u at x0."""
    base = depth * dy * dy
    ridge = mean_x - shear * dy
    x0, x1 = span(ridge, math.sqrt(max((reach - base) / half_c, 0.0)), 0, width)
    return x0, x1, F(base), F(x0 - ridge)


@njit_nogil
def row_sums(row: FloatArray, x0: int, x1: int, base: float, u0: float, half_c: float) -> Any:
    """Return Σ v, Σ v u and Σ v u² over the pixels [x0, x1) of a row, v being its value times the exponential."""
    s0, s1, s2 = F(0), F(0), F(0)
    for x in range(x0, x1, CHUNK):
        part, n = row[x : x + CHUNK], np.int32(x1 - x)
        u_first = u0 + F(x - x0)
        for j in range(CHUNK):
            u = u_first + F(np.int32(j))
            product = part[j] * exp_minus(base + half_c * u * u)
            v = product if np.int32(j) < n else F(0)
            s0 += v
            s1 += v * u
            s2 += v * u * u
    return float(s0), float(s1), float(s2)
