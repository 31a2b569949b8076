"""Compiled CPU kernels that splat 2D Gaussians; ``cpu`` runs them on row bands and ranges of Gaussians."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_emgauss._types import FloatArray
from napari_emgauss.render import rules
from napari_emgauss.render.ellipses import CHUNK, ellipse, exp_minus, row_of, row_sums, span
from napari_emgauss.runtime.jit import njit_nogil

IntArray = npt.NDArray[np.int64]
F = np.float32
STOP = F(rules.TRANSMITTANCE_STOP)
ALPHA_MAX = F(rules.ALPHA_MAX)
CUTOFF_EXPONENT = rules.CUTOFF_EXPONENT


@njit_nogil
def _add_gradient(
    grad_mean: FloatArray, grad_conic: FloatArray, depth: float, b: float, c: float, moments: Any
) -> None:
    """Add to mean y, x and conic yy, yx, xx, given Σ of v dx', v dy, v dy², v dy dx and v dx²; dx' = u.

    v is the gradient with respect to the exponent of a pixel, and d(exponent)/d(mean) = Σ⁻¹d = (det / c dy + b u, c u).
    """
    total_u, total_y, total_yy, total_yx, total_xx = moments
    grad_mean[0] += 2 * depth * total_y + b * total_u
    grad_mean[1] += c * total_u
    grad_conic[0] -= 0.5 * total_yy
    grad_conic[1] -= total_yx
    grad_conic[2] -= 0.5 * total_xx


@njit_nogil
def sum_forward(
    means: FloatArray, conics: FloatArray, weights: FloatArray, width: int, first: int, stop: int, image: FloatArray
) -> None:
    """Add Σ w exp(-½ dᵀΣ⁻¹d) to the rows [first, stop) of ``image``, which has CHUNK columns more than ``width``."""
    for i in range(means.shape[0]):
        half_height, depth, shear = ellipse(means, conics, i, CUTOFF_EXPONENT)
        if half_height < 0:
            continue
        mean_y, mean_x = np.float64(means[i, 0]), np.float64(means[i, 1])
        half_c, w = F(0.5) * conics[i, 2], weights[i]
        y0, y1 = span(mean_y, half_height, first, stop)
        for y in range(y0, y1):
            x0, x1, base, u0 = row_of(y - mean_y, mean_x, np.float64(half_c), depth, shear, CUTOFF_EXPONENT, width)
            for x in range(x0, x1, CHUNK):
                part, n = image[y, x : x + CHUNK], np.int32(x1 - x)
                u_first = u0 + F(x - x0)
                for j in range(CHUNK):
                    u = u_first + F(np.int32(j))
                    value = w * exp_minus(base + half_c * u * u)
                    part[j] += value if np.int32(j) < n else F(0)


@njit_nogil
def sum_backward(
    means: FloatArray,
    conics: FloatArray,
    weights: FloatArray,
    image_grad: FloatArray,
    width: int,
    first: int,
    stop: int,
    grad_means: FloatArray,
    grad_conics: FloatArray,
    grad_weights: FloatArray,
) -> None:
    """Add the gradients of Gaussians [first, stop); ``image_grad`` has CHUNK columns more than ``width``.

    With e = exp(..) and G the image's gradient, the row sums Σ G e uᵏ, k = 0, 1, 2, contain all that is needed.
    """
    for i in range(first, stop):
        half_height, depth, shear = ellipse(means, conics, i, CUTOFF_EXPONENT)
        if half_height < 0:
            continue
        mean_y, mean_x = np.float64(means[i, 0]), np.float64(means[i, 1])
        half_c, w = F(0.5) * conics[i, 2], np.float64(weights[i])
        total, total_u, total_y, total_yy, total_yx, total_xx = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        y0, y1 = span(mean_y, half_height, 0, image_grad.shape[0])
        for y in range(y0, y1):
            dy = y - mean_y
            x0, x1, base, u0 = row_of(dy, mean_x, np.float64(half_c), depth, shear, CUTOFF_EXPONENT, width)
            s0, s1, s2 = row_sums(image_grad[y], x0, x1, base, u0, half_c)
            offset = shear * dy
            total += s0
            total_u += w * s1
            total_y += w * dy * s0
            total_yy += w * dy * dy * s0
            total_yx += w * dy * (s1 - offset * s0)
            total_xx += w * (s2 - 2 * offset * s1 + offset * offset * s0)
        moments = (total_u, total_y, total_yy, total_yx, total_xx)
        _add_gradient(grad_means[i], grad_conics[i], depth, np.float64(conics[i, 1]), np.float64(conics[i, 2]), moments)
        grad_weights[i] += total


@njit_nogil
def _alpha_reach(opacity: float) -> float:
    """Return -log of the exponential at which alpha = 1/255; not positive, or NaN: not drawn."""
    return min(math.log(255 * max(np.float64(opacity), 0.0)), CUTOFF_EXPONENT)


@njit_nogil
def count_bands(
    means: FloatArray, conics: FloatArray, opacities: FloatArray, height: int, band_rows: int, bands: IntArray
) -> None:
    """Write the first band of rows that each Gaussian touches, and one past the last, to ``bands`` (n, 2)."""
    for i in range(means.shape[0]):
        half_height = ellipse(means, conics, i, _alpha_reach(opacities[i]))[0]
        y0, y1 = 0, 0
        if half_height >= 0:
            y0, y1 = span(np.float64(means[i, 0]), half_height, 0, height)
        bands[i, 0] = y0 // band_rows
        bands[i, 1] = (y1 + band_rows - 1) // band_rows if y1 > y0 else bands[i, 0]


@njit_nogil
def fill_bands(bands: IntArray, cursor: IntArray, members: IntArray) -> None:
    """Write the Gaussians of every band to ``members``, in index order, from position ``cursor[band]`` on."""
    for i in range(bands.shape[0]):
        for band in range(bands[i, 0], bands[i, 1]):
            members[cursor[band]] = i
            cursor[band] += 1


@njit_nogil
def alpha_forward(
    means: FloatArray,
    conics: FloatArray,
    weights: FloatArray,
    opacities: FloatArray,
    members: IntArray,
    first: int,
    stop: int,
    image: FloatArray,
    transmittance: FloatArray,
) -> None:
    """Composite ``members`` in order into the rows [first, stop) of ``image``.

    ``transmittance`` starts as 1; a negative one marks a finished pixel, for which no product can pass the stop test.
    """
    for i in members:
        reach = _alpha_reach(opacities[i])
        half_height, depth, shear = ellipse(means, conics, i, reach)
        mean_y, mean_x = np.float64(means[i, 0]), np.float64(means[i, 1])
        half_c, w, opacity = F(0.5) * conics[i, 2], weights[i], opacities[i]
        y0, y1 = span(mean_y, half_height, first, stop)
        for y in range(y0, y1):
            x0, x1, base, u0 = row_of(y - mean_y, mean_x, np.float64(half_c), depth, shear, reach, image.shape[1])
            row, left = image[y, x0:x1], transmittance[y, x0:x1]
            for j in range(x1 - x0):
                u = u0 + F(np.int32(j))
                alpha = min(opacity * exp_minus(base + half_c * u * u), ALPHA_MAX)
                before = left[j]
                after = before * (F(1) - alpha)
                row[j] += w * alpha * before if after > STOP else F(0)
                left[j] = after if after > STOP else -abs(before)


@njit_nogil
def alpha_backward(
    means: FloatArray,
    conics: FloatArray,
    weights: FloatArray,
    opacities: FloatArray,
    members: IntArray,
    first: int,
    stop: int,
    image_grad: FloatArray,
    behind: FloatArray,
    transmittance: FloatArray,
    grad: FloatArray,
) -> None:
    """Write to ``grad`` (members, 7) the gradient in mean y, x, conic yy, yx, xx, weight and opacity of these rows.

    Replays the forward pass. ``behind`` starts as the finished image and loses every contribution in turn, so that it
    is what lies behind the Gaussian at hand: dI/dα = w T - behind / (1 - α).
    """
    for k in range(members.shape[0]):
        i = members[k]
        reach = _alpha_reach(opacities[i])
        half_height, depth, shear = ellipse(means, conics, i, reach)
        mean_y, mean_x = np.float64(means[i, 0]), np.float64(means[i, 1])
        half_c, w, opacity = F(0.5) * conics[i, 2], weights[i], opacities[i]
        total, total_w, total_u, total_y, total_yy, total_yx, total_xx = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        y0, y1 = span(mean_y, half_height, first, stop)
        for y in range(y0, y1):
            dy = y - mean_y
            x0, x1, base, u0 = row_of(dy, mean_x, np.float64(half_c), depth, shear, reach, image_grad.shape[1])
            upstream, rest, left = image_grad[y, x0:x1], behind[y, x0:x1], transmittance[y, x0:x1]
            s, s0, s1, s2 = F(0), F(0), F(0), F(0)
            for j in range(x1 - x0):
                u = u0 + F(np.int32(j))
                unclamped = opacity * exp_minus(base + half_c * u * u)
                alpha = min(unclamped, ALPHA_MAX)
                before = left[j]
                after = before * (F(1) - alpha)
                shown = alpha * before if after > STOP else F(0)
                left[j] = after if after > STOP else -abs(before)
                rest[j] -= w * shown
                v = upstream[j] * (w * shown - rest[j] * alpha / (F(1) - alpha))
                v = v if after > STOP and unclamped <= ALPHA_MAX else F(0)
                s += upstream[j] * shown
                s0 += v
                s1 += v * u
                s2 += v * u * u
            offset = shear * dy
            total += float(s0)
            total_w += float(s)
            total_u += float(s1)
            total_y += dy * s0
            total_yy += dy * dy * s0
            total_yx += dy * (s1 - offset * s0)
            total_xx += s2 - 2 * offset * s1 + offset * offset * s0
        moments = (total_u, total_y, total_yy, total_yx, total_xx)
        _add_gradient(grad[k, 0:2], grad[k, 2:5], depth, np.float64(conics[i, 1]), np.float64(conics[i, 2]), moments)
        grad[k, 5] += total_w
        grad[k, 6] += total / opacity


@njit_nogil
def add_members(
    members: IntArray,
    member_grad: FloatArray,
    grad_means: FloatArray,
    grad_conics: FloatArray,
    grad_weights: FloatArray,
    grad_opacities: FloatArray,
) -> None:
    """Add the gradients of all bands, in a fixed order: the result does not depend on the number of threads."""
    for k in range(members.shape[0]):
        i = members[k]
        for column in range(2):
            grad_means[i, column] += member_grad[k, column]
        for column in range(3):
            grad_conics[i, column] += member_grad[k, 2 + column]
        grad_weights[i] += member_grad[k, 5]
        grad_opacities[i] += member_grad[k, 6]
