"""Compiled kernels of `Cuts`: which Gaussians reach a slice, what they are on its plane, and sums over both.

Covariances are given as (xx, xy, xz, yy, yz, zz). A slice's ``matrix`` and ``offset`` map a place to (depth, row,
column), ``blur`` are the variances of its point spread along these.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.render import rules
from napari_emgauss.render.ellipses import CHUNK, ellipse, exp_minus, row_of, span
from napari_emgauss.runtime.jit import njit_nogil

IntArray = npt.NDArray[np.int32]
F = np.float32
REACH, CUTOFF_EXPONENT = rules.REACH_SIGMA, rules.CUTOFF_EXPONENT


@njit_nogil
def _product(c: FloatArray, u: AnyArray, v: AnyArray) -> Any:
    """Return uᵀ C v."""
    return (
        u[0] * (c[0] * v[0] + c[1] * v[1] + c[2] * v[2])
        + u[1] * (c[1] * v[0] + c[3] * v[1] + c[4] * v[2])
        + u[2] * (c[2] * v[0] + c[4] * v[1] + c[5] * v[2])
    )


@njit_nogil
def find_reaching(
    means: FloatArray,
    covariances: FloatArray,
    matrix: AnyArray,
    offset: AnyArray,
    blur: AnyArray,
    height: int,
    width: int,
    found: IntArray,
) -> int:
    """Write the Gaussians whose footprint reaches the slice to ``found``; return their number."""
    k = 0
    last = (0.0, height - 1.0, width - 1.0)
    for i in range(means.shape[0]):
        inside = True
        for axis in range(3):
            u = matrix[axis]
            at = u[0] * means[i, 0] + u[1] * means[i, 1] + u[2] * means[i, 2] + offset[axis]
            beyond = max(-at, at - last[axis])
            if beyond > 0 and beyond * beyond > REACH * REACH * (_product(covariances[i], u, u) + blur[axis]):
                inside = False
                break
        if inside:
            found[k] = i
            k += 1
    return k


@njit_nogil
def cut(
    means: FloatArray,
    covariances: FloatArray,
    matrix: AnyArray,
    offset: AnyArray,
    blur: AnyArray,
    found: IntArray,
    means_px: FloatArray,
    conics: FloatArray,
    peaks: FloatArray,
    slopes: FloatArray,
) -> None:
    """Write what the Gaussians ``found`` are on the slice's plane: centre, conic, and peak for an amplitude of 1.

    ``slopes`` (n, 3) are such that minus the derivative of the exponent with respect to the depth is
    s₀ + s₁ dy + s₂ dx, with (dy, dx) from the centre on the plane.
    """
    row, column, depth = matrix[1], matrix[2], matrix[0]
    for k in range(found.shape[0]):
        i = found[k]
        c, mean = covariances[i], means[i]
        d = depth[0] * mean[0] + depth[1] * mean[1] + depth[2] * mean[2] + offset[0]
        y = row[0] * mean[0] + row[1] * mean[1] + row[2] * mean[2] + offset[1]
        x = column[0] * mean[0] + column[1] * mean[1] + column[2] * mean[2] + offset[2]
        dd, dy, dx = _product(c, depth, depth), _product(c, depth, row), _product(c, depth, column)
        yy, yx, xx = _product(c, row, row), _product(c, row, column), _product(c, column, column)
        sharp = dd * (yy * xx - yx * yx) - dy * (dy * xx - yx * dx) + dx * (dy * yx - yy * dx)
        thick = dd + blur[0]
        a, b, e = yy + blur[1] - dy * dy / thick, yx - dy * dx / thick, xx + blur[2] - dx * dx / thick
        flat = a * e - b * b
        means_px[k, 0], means_px[k, 1] = y - dy / thick * d, x - dx / thick * d
        conics[k, 0], conics[k, 1], conics[k, 2] = e / flat, -b / flat, a / flat
        peaks[k] = math.sqrt(sharp / (flat * thick)) * math.exp(-0.5 * d * d / thick)
        slopes[k, 0] = -d / thick
        slopes[k, 1] = -(dy * e - dx * b) / (flat * thick)
        slopes[k, 2] = -(dx * a - dy * b) / (flat * thick)


@njit_nogil
def sum_products(
    means_px: FloatArray, conics: FloatArray, peaks: FloatArray, image: FloatArray, width: int, sums: FloatArray
) -> None:
    """Write Σ image · peak · exp(..) of every cut to ``sums``; ``image`` has CHUNK columns more than ``width``."""
    for i in range(means_px.shape[0]):
        half_height, depth, shear = ellipse(means_px, conics, i, CUTOFF_EXPONENT)
        if half_height < 0:
            sums[i] = F(0)
            continue
        mean_y, mean_x = np.float64(means_px[i, 0]), np.float64(means_px[i, 1])
        half_c, total = F(0.5) * conics[i, 2], F(0)
        y0, y1 = span(mean_y, half_height, 0, image.shape[0])
        for y in range(y0, y1):
            x0, x1, base, u0 = row_of(y - mean_y, mean_x, np.float64(half_c), depth, shear, CUTOFF_EXPONENT, width)
            for x in range(x0, x1, CHUNK):
                part, n = image[y, x : x + CHUNK], np.int32(x1 - x)
                u_first = u0 + F(x - x0)
                for j in range(CHUNK):
                    u = u_first + F(np.int32(j))
                    value = part[j] * exp_minus(base + half_c * u * u)
                    total += value if np.int32(j) < n else F(0)
        sums[i] = peaks[i] * total


@njit_nogil
def draw_derivatives(
    means_px: FloatArray, conics: FloatArray, weights: FloatArray, slopes: FloatArray, width: int, images: FloatArray
) -> None:
    """Add to ``images`` (4, h, width + CHUNK) the image, and its change as the slice moves by depth, row, column."""
    for i in range(means_px.shape[0]):
        half_height, depth, shear = ellipse(means_px, conics, i, CUTOFF_EXPONENT)
        if half_height < 0:
            continue
        mean_y, mean_x = np.float64(means_px[i, 0]), np.float64(means_px[i, 1])
        half_c, w = F(0.5) * conics[i, 2], weights[i]
        a, b, c = conics[i, 0], conics[i, 1], conics[i, 2]
        y0, y1 = span(mean_y, half_height, 0, images.shape[1])
        for y in range(y0, y1):
            dy = y - mean_y
            x0, x1, base, u0 = row_of(dy, mean_x, np.float64(half_c), depth, shear, CUTOFF_EXPONENT, width)
            dx0, along = F(u0 - shear * dy), F(dy)
            by_depth, by_row, by_column = slopes[i, 0] + slopes[i, 1] * along, a * along, b * along
            for x in range(x0, x1, CHUNK):
                image, n = images[0, y, x : x + CHUNK], np.int32(x1 - x)
                per_depth, per_row = images[1, y, x : x + CHUNK], images[2, y, x : x + CHUNK]
                per_column = images[3, y, x : x + CHUNK]
                u_first, dx_first = u0 + F(x - x0), dx0 + F(x - x0)
                for j in range(CHUNK):
                    u, dx = u_first + F(np.int32(j)), dx_first + F(np.int32(j))
                    drawn = w * exp_minus(base + half_c * u * u)
                    value = drawn if np.int32(j) < n else F(0)
                    image[j] += value
                    per_depth[j] -= value * (by_depth + slopes[i, 2] * dx)
                    per_row[j] -= value * (by_row + b * dx)
                    per_column[j] -= value * (by_column + c * dx)
