"""Compiled CPU kernels that splat 3D Gaussians into a volume; `render.volumes` runs them in parts.

A row of voxels along x is drawn around its own ridge, as in `render.ellipses`: with d = (dz, dy, dx) and the precision
P = Σ⁻¹, ½ dᵀPd = ½ (dz, dy) S (dz, dy)ᵀ + ½ Pxx u², S the Schur complement of Pxx and u = dx + (Pzx dz + Pyx dy) / Pxx.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.render import rules
from napari_emgauss.render.ellipses import CHUNK, exp_minus, row_sums, span
from napari_emgauss.runtime.jit import njit_nogil

F = np.float32
REACH = rules.CUTOFF_EXPONENT
LIMIT_PX = rules.POSITION_LIMIT_PX


@njit_nogil
def _shape_of(means: FloatArray, precisions: FloatArray, i: int) -> Any:
    """Return whether Gaussian i is drawn, Pxx, Pzx / Pxx, Pyx / Pxx, and S (zz, zy, yy)."""
    p = precisions[i].astype(np.float64)
    zz, zy, zx, yy, yx, xx = p[0], p[1], p[2], p[3], p[4], p[5]
    drawn = xx > 0 and xx < np.inf
    for axis in range(3):
        drawn = drawn and abs(means[i, axis]) < LIMIT_PX
    hz, hy = zx / xx, yx / xx
    szz, szy, syy = zz - hz * zx, zy - hz * yx, yy - hy * yx
    drawn = drawn and syy > 0 and szz * syy - szy * szy > 0 and szz < np.inf and syy < np.inf
    return drawn, xx, hz, hy, szz, szy, syy


@njit_nogil
def volume_forward(
    means: FloatArray, precisions: FloatArray, weights: FloatArray, first: int, stop: int, volume: FloatArray
) -> None:
    """Add Σ w exp(-½ dᵀPd) to the planes [first, stop) of ``volume``, which has CHUNK columns too many."""
    height, width = volume.shape[1], volume.shape[2] - CHUNK
    for i in range(means.shape[0]):
        drawn, xx, hz, hy, szz, szy, syy = _shape_of(means, precisions, i)
        if not drawn:
            continue
        w, half_c = weights[i], F(0.5 * xx)
        mz, my, mx = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
        depth = szz - szy * szy / syy
        z0, z1 = span(mz, math.sqrt(2 * REACH / depth), first, stop)
        for z in range(z0, z1):
            dz = z - mz
            left = REACH - 0.5 * depth * dz * dz
            y0, y1 = span(my - szy / syy * dz, math.sqrt(max(2 * left / syy, 0.0)), 0, height)
            for y in range(y0, y1):
                dy = y - my
                base = 0.5 * (szz * dz * dz + 2 * szy * dz * dy + syy * dy * dy)
                ridge = mx - hz * dz - hy * dy
                x0, x1 = span(ridge, math.sqrt(max(2 * (REACH - base) / xx, 0.0)), 0, width)
                row, u_first, offset = volume[z, y], F(x0 - ridge), F(base)
                for x in range(x0, x1, CHUNK):
                    part, n = row[x : x + CHUNK], np.int32(x1 - x)
                    u_chunk = u_first + F(x - x0)
                    for j in range(CHUNK):
                        u = u_chunk + F(np.int32(j))
                        value = w * exp_minus(offset + half_c * u * u)
                        part[j] += value if np.int32(j) < n else F(0)


@njit_nogil
def volume_backward(
    means: FloatArray,
    precisions: FloatArray,
    weights: FloatArray,
    upstream: FloatArray,
    first: int,
    stop: int,
    grad_means: FloatArray,
    grad_precisions: FloatArray,
    grad_weights: FloatArray,
) -> None:
    """Write the gradients of Gaussians [first, stop); ``upstream`` has CHUNK columns too many."""
    depth_px, height, width = upstream.shape[0], upstream.shape[1], upstream.shape[2] - CHUNK
    m = np.empty(10, np.float64)
    for i in range(first, stop):
        drawn, xx, hz, hy, szz, szy, syy = _shape_of(means, precisions, i)
        if not drawn:
            continue
        half_c: Any = F(0.5 * xx)
        mz, my, mx = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
        depth = szz - szy * szy / syy
        m[:] = 0
        z0, z1 = span(mz, math.sqrt(2 * REACH / depth), 0, depth_px)
        for z in range(z0, z1):
            dz = z - mz
            left = REACH - 0.5 * depth * dz * dz
            y0, y1 = span(my - szy / syy * dz, math.sqrt(max(2 * left / syy, 0.0)), 0, height)
            for y in range(y0, y1):
                dy = y - my
                base = 0.5 * (szz * dz * dz + 2 * szy * dz * dy + syy * dy * dy)
                ridge = mx - hz * dz - hy * dy
                x0, x1 = span(ridge, math.sqrt(max(2 * (REACH - base) / xx, 0.0)), 0, width)
                if x1 <= x0:
                    continue
                s0, s1, s2 = row_sums(upstream[z, y], x0, x1, float(base), float(x0 - ridge), half_c)
                h = hz * dz + hy * dy
                sx, sxx = s1 - h * s0, s2 - 2 * h * s1 + h * h * s0
                m[0] += s0
                m[1] += dz * s0
                m[2] += dy * s0
                m[3] += sx
                m[4] += dz * dz * s0
                m[5] += dz * dy * s0
                m[6] += dz * sx
                m[7] += dy * dy * s0
                m[8] += dy * sx
                m[9] += sxx
        w, p = np.float64(weights[i]), precisions[i]
        grad_weights[i] = m[0]
        grad_means[i, 0] = w * (p[0] * m[1] + p[1] * m[2] + p[2] * m[3])
        grad_means[i, 1] = w * (p[1] * m[1] + p[3] * m[2] + p[4] * m[3])
        grad_means[i, 2] = w * (p[2] * m[1] + p[4] * m[2] + p[5] * m[3])
        grad_precisions[i, 0] = -0.5 * w * m[4]
        grad_precisions[i, 1] = -w * m[5]
        grad_precisions[i, 2] = -w * m[6]
        grad_precisions[i, 3] = -0.5 * w * m[7]
        grad_precisions[i, 4] = -w * m[8]
        grad_precisions[i, 5] = -0.5 * w * m[9]
