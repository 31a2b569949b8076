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
CUT = F(CUTOFF_EXPONENT)


@njit_nogil
def _product(c: FloatArray, u: AnyArray, v: AnyArray) -> Any:
    """Return uᵀ C v."""
    return (
        u[0] * (c[0] * v[0] + c[1] * v[1] + c[2] * v[2])
        + u[1] * (c[1] * v[0] + c[3] * v[1] + c[4] * v[2])
        + u[2] * (c[2] * v[0] + c[4] * v[1] + c[5] * v[2])
    )


@njit_nogil
def keep_reaching(
    means: FloatArray,
    covariances: FloatArray,
    matrix: AnyArray,
    offset: AnyArray,
    blur: AnyArray,
    height: int,
    width: int,
    members: IntArray,
) -> int:
    """Move those of ``members`` whose footprint reaches the slice to its front; return their number."""
    kept = 0
    last = (0.0, height - 1.0, width - 1.0)
    for k in range(members.shape[0]):
        i, inside = members[k], True
        for axis in range(3):
            u = matrix[axis]
            at = u[0] * means[i, 0] + u[1] * means[i, 1] + u[2] * means[i, 2] + offset[axis]
            beyond = max(-at, at - last[axis])
            if beyond > 0 and beyond * beyond > REACH * REACH * (_product(covariances[i], u, u) + blur[axis]):
                inside = False
                break
        if inside:
            members[kept] = i
            kept += 1
    return kept


@njit_nogil
def cut(
    means: FloatArray,
    covariances: FloatArray,
    matrix: AnyArray,
    offset: AnyArray,
    blur: AnyArray,
    members: IntArray,
    means_px: FloatArray,
    conics: FloatArray,
    peaks: FloatArray,
    slopes: FloatArray,
) -> None:
    """Write what the Gaussians ``members`` are on the slice's plane: centre, conic, and peak for an amplitude of 1.

    ``slopes`` (n, 3) are such that minus the derivative of the exponent with respect to the depth is
    s₀ + s₁ dy + s₂ dx, with (dy, dx) from the centre on the plane.
    """
    row, column, depth = matrix[1], matrix[2], matrix[0]
    for k in range(members.shape[0]):
        i = members[k]
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
def _box(y: Any, x: Any, half_height: Any, half_width: Any, height: int, width: int) -> Any:
    """Return the pixels [y0, y1) × [x0, x1) of an image within half a height and half a width of a place."""
    y0, y1 = max(math.ceil(y - half_height), 0), min(math.floor(y + half_height) + 1, height)
    x0, x1 = max(math.ceil(x - half_width), 0), min(math.floor(x + half_width) + 1, width)
    return y0, y1, x0, x1


@njit_nogil
def add_to(total: AnyArray, members: IntArray, values: FloatArray) -> None:
    """Add values (n,) to the members of a total that they belong to."""
    for k in range(members.shape[0]):
        total[members[k]] += values[k]


@njit_nogil
def draw_upright(means_px: FloatArray, conics: FloatArray, weights: FloatArray, width: int, image: FloatArray) -> None:
    """Add Σ weight · exp(..) of upright cuts to ``image``, which has CHUNK columns more than ``width``.

    An upright cut has no conic yx: its exponential is one of the row times one of the column. The latter is the same
    in all rows, and LLVM takes it out of their loop as soon as the loop over pixels has a fixed length.
    """
    half_height, half_width, last_a, last_c = F(0), F(0), F(0), F(0)
    for i in range(means_px.shape[0]):
        a, c, w = F(0.5) * conics[i, 0], F(0.5) * conics[i, 2], weights[i]
        if a != last_a or c != last_c:  # cuts of round Gaussians of one size are all alike
            half_height, half_width, last_a, last_c = F(math.sqrt(CUT / a)), F(math.sqrt(CUT / c)), a, c
        mean_y, mean_x = means_px[i, 0], means_px[i, 1]
        y0, y1, x0, x1 = _box(mean_y, mean_x, half_height, half_width, image.shape[0], width)
        for x in range(x0, x1, CHUNK):
            first, stop = F(x) - mean_x, F(x1) - mean_x
            for y in range(y0, y1):
                along = a * (F(y) - mean_y) * (F(y) - mean_y)
                value, left, part = w * exp_minus(along), CUT - along, image[y, x : x + CHUNK]
                for j in range(CHUNK):
                    dx = first + F(np.int32(j))
                    across = c * dx * dx
                    drawn = value * exp_minus(across)
                    part[j] += drawn if across <= left and dx < stop else F(0)


@njit_nogil
def sum_upright(
    means_px: FloatArray, conics: FloatArray, peaks: FloatArray, image: FloatArray, width: int, sums: FloatArray
) -> None:
    """Write Σ image · peak · exp(..) of upright cuts to ``sums``; see `draw_upright`."""
    half_height, half_width, last_a, last_c = F(0), F(0), F(0), F(0)
    for i in range(means_px.shape[0]):
        a, c, total = F(0.5) * conics[i, 0], F(0.5) * conics[i, 2], F(0)
        if a != last_a or c != last_c:
            half_height, half_width, last_a, last_c = F(math.sqrt(CUT / a)), F(math.sqrt(CUT / c)), a, c
        mean_y, mean_x = means_px[i, 0], means_px[i, 1]
        y0, y1, x0, x1 = _box(mean_y, mean_x, half_height, half_width, image.shape[0], width)
        for x in range(x0, x1, CHUNK):
            first, stop = F(x) - mean_x, F(x1) - mean_x
            for y in range(y0, y1):
                along = a * (F(y) - mean_y) * (F(y) - mean_y)
                value, left, part = exp_minus(along), CUT - along, image[y, x : x + CHUNK]
                for j in range(CHUNK):
                    dx = first + F(np.int32(j))
                    across = c * dx * dx
                    product = value * part[j] * exp_minus(across)
                    total += product if across <= left and dx < stop else F(0)
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
