"""Compiled kernels of `Tangent`; one draws on row bands, the other sums over ranges of Gaussians."""

from __future__ import annotations

import math

import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.render.ellipses import CHUNK, ellipse, exp_minus, row_of, row_sums, span
from napari_emgauss.render.rules import CUTOFF_EXPONENT
from napari_emgauss.runtime.jit import njit_nogil

F = np.float32


@njit_nogil
def draw_changes(
    means: FloatArray,
    conics: FloatArray,
    coefficients: FloatArray,
    width: int,
    first: int,
    stop: int,
    image: FloatArray,
) -> None:
    """Add Σ e (a0 + a1 p + a2 q + a3 (p² - ½) + a4 (q² - ½) + a5 p q) to the rows [first, stop) of ``image``.

    It has CHUNK columns more than ``width``. Within a row p is constant and q = √c u: the polynomial is one of u.
    """
    for i in range(means.shape[0]):
        half_height, depth, shear = ellipse(means, conics, i, CUTOFF_EXPONENT)
        if half_height < 0:
            continue
        mean_y, mean_x = np.float64(means[i, 0]), np.float64(means[i, 1])
        half_c = F(0.5) * conics[i, 2]
        per_y, per_u = math.sqrt(2 * depth), math.sqrt(np.float64(conics[i, 2]))
        a = coefficients[i]
        linear_y, linear_u, square_u = a[1] * per_y, a[2] * per_u, F(a[4] * per_u * per_u)
        constant, square_y, product = a[0] - 0.5 * (a[3] + a[4]), a[3] * per_y * per_y, a[5] * per_y * per_u
        y0, y1 = span(mean_y, half_height, first, stop)
        for y in range(y0, y1):
            dy = y - mean_y
            x0, x1, base, u0 = row_of(dy, mean_x, np.float64(half_c), depth, shear, CUTOFF_EXPONENT, width)
            k0, k1 = F(constant + dy * (linear_y + dy * square_y)), F(linear_u + dy * product)
            for x in range(x0, x1, CHUNK):
                part, n = image[y, x : x + CHUNK], np.int32(x1 - x)
                u_first = u0 + F(x - x0)
                for j in range(CHUNK):
                    u = u_first + F(np.int32(j))
                    value = (k0 + u * (k1 + u * square_u)) * exp_minus(base + half_c * u * u)
                    part[j] += value if np.int32(j) < n else F(0)


@njit_nogil
def project(
    means: FloatArray, conics: FloatArray, image: FloatArray, width: int, first: int, stop: int, moments: FloatArray
) -> None:
    """Write the products of ``image`` with the columns of Gaussians [first, stop); it has CHUNK columns more."""
    for i in range(first, stop):
        half_height, depth, shear = ellipse(means, conics, i, CUTOFF_EXPONENT)
        if half_height < 0:
            continue
        mean_y, mean_x = np.float64(means[i, 0]), np.float64(means[i, 1])
        half_c = F(0.5) * conics[i, 2]
        total, total_u, total_uu, total_y, total_yy, total_yu = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        y0, y1 = span(mean_y, half_height, 0, image.shape[0])
        for y in range(y0, y1):
            dy = y - mean_y
            x0, x1, base, u0 = row_of(dy, mean_x, np.float64(half_c), depth, shear, CUTOFF_EXPONENT, width)
            s0, s1, s2 = row_sums(image[y], x0, x1, base, u0, half_c)
            total += s0
            total_u += s1
            total_uu += s2
            total_y += dy * s0
            total_yy += dy * dy * s0
            total_yu += dy * s1
        per_y, per_u = math.sqrt(2 * depth), math.sqrt(np.float64(conics[i, 2]))
        moments[i, 0] = total
        moments[i, 1] = per_y * total_y
        moments[i, 2] = per_u * total_u
        moments[i, 3] = per_y * per_y * total_yy - 0.5 * total
        moments[i, 4] = per_u * per_u * total_uu - 0.5 * total
        moments[i, 5] = per_y * per_u * total_yu
