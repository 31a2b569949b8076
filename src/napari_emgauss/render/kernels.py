"""Compiled CPU kernels that splat 2D Gaussians; ``cpu`` runs them on row bands and ranges of Gaussians.

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
import numpy.typing as npt

from napari_emgauss._types import FloatArray
from napari_emgauss.render import rules
from napari_emgauss.runtime.jit import njit_nogil

IntArray = npt.NDArray[np.int64]
F = np.float32
STOP = F(rules.TRANSMITTANCE_STOP)
ALPHA_MAX = F(rules.ALPHA_MAX)
CUTOFF_EXPONENT = rules.CUTOFF_EXPONENT
POSITION_LIMIT_PX = rules.POSITION_LIMIT_PX


@njit_nogil
def _exp_minus(t: Any) -> Any:
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
def _ellipse(means: FloatArray, conics: FloatArray, i: int, reach: float) -> Any:
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
def _span(centre: float, half: float, first: int, stop: int) -> Any:
    """Return the pixels within ``half`` of ``centre``, as a half-open range inside [first, stop)."""
    low = max(math.ceil(centre - half), float(first))
    high = min(math.floor(centre + half) + 1.0, float(stop))
    if not low < high:
        return 0, 0
    return int(low), int(high)


@njit_nogil
def _row(dy: float, mean_x: float, half_c: float, depth: float, shear: float, reach: float, width: int) -> Any:
    """Return the pixels [x0, x1) of a row inside the cut-off, ½ (det / c) dy² and u at x0."""
    base = depth * dy * dy
    ridge = mean_x - shear * dy
    x0, x1 = _span(ridge, math.sqrt(max((reach - base) / half_c, 0.0)), 0, width)
    return x0, x1, F(base), F(x0 - ridge)


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
    means: FloatArray, conics: FloatArray, weights: FloatArray, first: int, stop: int, image: FloatArray
) -> None:
    """Add Σ w exp(-½ dᵀΣ⁻¹d) to the rows [first, stop) of ``image``."""
    for i in range(means.shape[0]):
        half_height, depth, shear = _ellipse(means, conics, i, CUTOFF_EXPONENT)
        if half_height < 0:
            continue
        mean_y, mean_x = np.float64(means[i, 0]), np.float64(means[i, 1])
        half_c, w = F(0.5) * conics[i, 2], weights[i]
        y0, y1 = _span(mean_y, half_height, first, stop)
        for y in range(y0, y1):
            x0, x1, base, u0 = _row(
                y - mean_y, mean_x, np.float64(half_c), depth, shear, CUTOFF_EXPONENT, image.shape[1]
            )
            row = image[y, x0:x1]
            for j in range(x1 - x0):
                u = u0 + F(np.int32(j))
                row[j] += w * _exp_minus(base + half_c * u * u)


@njit_nogil
def sum_backward(
    means: FloatArray,
    conics: FloatArray,
    weights: FloatArray,
    image_grad: FloatArray,
    first: int,
    stop: int,
    grad_means: FloatArray,
    grad_conics: FloatArray,
    grad_weights: FloatArray,
) -> None:
    """Add the gradients of Gaussians [first, stop).

    With e = exp(..) and G the image's gradient, the row sums Σ G e uᵏ, k = 0, 1, 2, contain all that is needed.
    """
    height, width = image_grad.shape
    for i in range(first, stop):
        half_height, depth, shear = _ellipse(means, conics, i, CUTOFF_EXPONENT)
        if half_height < 0:
            continue
        mean_y, mean_x = np.float64(means[i, 0]), np.float64(means[i, 1])
        half_c, w = F(0.5) * conics[i, 2], np.float64(weights[i])
        total, total_u, total_y, total_yy, total_yx, total_xx = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        y0, y1 = _span(mean_y, half_height, 0, height)
        for y in range(y0, y1):
            dy = y - mean_y
            x0, x1, base, u0 = _row(dy, mean_x, np.float64(half_c), depth, shear, CUTOFF_EXPONENT, width)
            row = image_grad[y, x0:x1]
            s0, s1, s2 = F(0), F(0), F(0)
            for j in range(x1 - x0):
                u = u0 + F(np.int32(j))
                v = row[j] * _exp_minus(base + half_c * u * u)
                s0 += v
                s1 += v * u
                s2 += v * u * u
            offset = shear * dy
            total += float(s0)
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
        half_height = _ellipse(means, conics, i, _alpha_reach(opacities[i]))[0]
        y0, y1 = 0, 0
        if half_height >= 0:
            y0, y1 = _span(np.float64(means[i, 0]), half_height, 0, height)
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
        half_height, depth, shear = _ellipse(means, conics, i, reach)
        mean_y, mean_x = np.float64(means[i, 0]), np.float64(means[i, 1])
        half_c, w, opacity = F(0.5) * conics[i, 2], weights[i], opacities[i]
        y0, y1 = _span(mean_y, half_height, first, stop)
        for y in range(y0, y1):
            x0, x1, base, u0 = _row(y - mean_y, mean_x, np.float64(half_c), depth, shear, reach, image.shape[1])
            row, left = image[y, x0:x1], transmittance[y, x0:x1]
            for j in range(x1 - x0):
                u = u0 + F(np.int32(j))
                alpha = min(opacity * _exp_minus(base + half_c * u * u), ALPHA_MAX)
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
        half_height, depth, shear = _ellipse(means, conics, i, reach)
        mean_y, mean_x = np.float64(means[i, 0]), np.float64(means[i, 1])
        half_c, w, opacity = F(0.5) * conics[i, 2], weights[i], opacities[i]
        total, total_w, total_u, total_y, total_yy, total_yx, total_xx = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        y0, y1 = _span(mean_y, half_height, first, stop)
        for y in range(y0, y1):
            dy = y - mean_y
            x0, x1, base, u0 = _row(dy, mean_x, np.float64(half_c), depth, shear, reach, image_grad.shape[1])
            upstream, rest, left = image_grad[y, x0:x1], behind[y, x0:x1], transmittance[y, x0:x1]
            s, s0, s1, s2 = F(0), F(0), F(0), F(0)
            for j in range(x1 - x0):
                u = u0 + F(np.int32(j))
                unclamped = opacity * _exp_minus(base + half_c * u * u)
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
