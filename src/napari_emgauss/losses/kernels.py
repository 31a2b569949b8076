"""Compiled L1 and SSIM with their gradient, on bands of rows.

Local means are blurs B with a separable 11 x 11 Gaussian window (σ 1.5 px), zero outside the image. With μ = B(x),
ν = B(y), X = B(x²), Y = B(y²), Z = B(xy),

    S = (2 μν + C1) (2 (Z - μν) + C2) / ((μ² + ν² + C1) (X - μ² + Y - ν² + C2)) = A1 A2 / (B1 B2).

The window is symmetric, so B is its own transpose and d(Σ p S)/dx = B(p dS/dμ) + 2 x B(p dS/dX) + y B(p dS/dZ).
"""

from __future__ import annotations

import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.losses.window import C1, C2, RADIUS, WINDOW
from napari_emgauss.runtime.jit import njit_nogil

F = np.float32
G0, G1, G2, G3, G4, G5 = (F(WINDOW[k]) for k in range(RADIUS + 1))


@njit_nogil
def _blur_rows(padded: FloatArray, out: FloatArray) -> None:
    """Blur one row; ``padded`` has RADIUS pixels more at either end."""
    for j in range(out.shape[0]):
        out[j] = (
            G0 * (padded[j] + padded[j + 10])
            + G1 * (padded[j + 1] + padded[j + 9])
            + G2 * (padded[j + 2] + padded[j + 8])
            + G3 * (padded[j + 3] + padded[j + 7])
            + G4 * (padded[j + 4] + padded[j + 6])
            + G5 * padded[j + 5]
        )


@njit_nogil
def _blur_columns(rows: FloatArray, out: FloatArray) -> None:
    """Blur across 11 rows (11, width) into the middle one."""
    for j in range(out.shape[0]):
        out[j] = (
            G0 * (rows[0, j] + rows[10, j])
            + G1 * (rows[1, j] + rows[9, j])
            + G2 * (rows[2, j] + rows[8, j])
            + G3 * (rows[3, j] + rows[7, j])
            + G4 * (rows[4, j] + rows[6, j])
            + G5 * rows[5, j]
        )


@njit_nogil
def _moments_of_rows(pred: FloatArray, target: FloatArray, first: int, stop: int) -> FloatArray:
    """Blur x, y, x², y², xy along x for the rows [first - RADIUS, stop + RADIUS), zero outside the image."""
    height, width = pred.shape
    blurred = np.zeros((5, stop - first + 2 * RADIUS, width), np.float32)
    padded = np.zeros((5, width + 2 * RADIUS), np.float32)
    for y in range(max(first - RADIUS, 0), min(stop + RADIUS, height)):
        for j in range(width):
            p, t = pred[y, j], target[y, j]
            padded[0, j + RADIUS] = p
            padded[1, j + RADIUS] = t
            padded[2, j + RADIUS] = p * p
            padded[3, j + RADIUS] = t * t
            padded[4, j + RADIUS] = p * t
        for k in range(5):
            _blur_rows(padded[k], blurred[k, y - first + RADIUS])
    return blurred


@njit_nogil
def loss_forward(
    pred: FloatArray, target: FloatArray, share: FloatArray, first: int, stop: int, partial: FloatArray
) -> tuple[float, float]:
    """Return Σ share |x - y| and Σ share S over the rows [first, stop); write share dS/d(μ, X, Z) to ``partial``."""
    blurred = _moments_of_rows(pred, target, first, stop)
    moments = np.empty((5, pred.shape[1]), np.float32)
    total_l1, total_ssim = 0.0, 0.0
    for y in range(first, stop):
        for k in range(5):
            _blur_columns(blurred[k, y - first : y - first + 2 * RADIUS + 1], moments[k])
        row_l1, row_ssim = F(0), F(0)
        for j in range(pred.shape[1]):
            m, n = moments[0, j], moments[1, j]
            a1 = F(2) * m * n + F(C1)
            a2 = F(2) * (moments[4, j] - m * n) + F(C2)
            b1 = m * m + n * n + F(C1)
            b2 = moments[2, j] - m * m + moments[3, j] - n * n + F(C2)
            p = share[y, j]
            scale = p / (b1 * b2)
            s = a1 * a2 * scale
            row_ssim += s
            row_l1 += p * abs(pred[y, j] - target[y, j])
            partial[0, y, j] = F(2) * (n * (a2 - a1) * scale + m * s * (b1 - b2) / (b1 * b2))
            partial[1, y, j] = -s / b2
            partial[2, y, j] = F(2) * a1 * scale
        total_l1 += float(row_l1)
        total_ssim += float(row_ssim)
    return total_l1, total_ssim


@njit_nogil
def loss_backward(
    pred: FloatArray,
    target: FloatArray,
    share: FloatArray,
    partial: FloatArray,
    scales: tuple[float, float],
    first: int,
    stop: int,
    grad: FloatArray,
) -> None:
    """Write to the rows [first, stop) of ``grad`` the gradient of scales[0] Σ share |x - y| + scales[1] Σ share S."""
    scale_l1, scale_ssim = F(scales[0]), F(scales[1])
    height, width = pred.shape
    blurred = np.zeros((3, stop - first + 2 * RADIUS, width), np.float32)
    padded = np.zeros(width + 2 * RADIUS, np.float32)
    for y in range(max(first - RADIUS, 0), min(stop + RADIUS, height)):
        for k in range(3):
            padded[RADIUS : RADIUS + width] = partial[k, y]
            _blur_rows(padded, blurred[k, y - first + RADIUS])
    terms = np.empty((3, width), np.float32)
    for y in range(first, stop):
        for k in range(3):
            _blur_columns(blurred[k, y - first : y - first + 2 * RADIUS + 1], terms[k])
        for j in range(width):
            p, t = pred[y, j], target[y, j]
            sign = F(1) if p > t else (F(-1) if p < t else F(0))
            ssim_grad = terms[0, j] + F(2) * p * terms[1, j] + t * terms[2, j]
            grad[y, j] = scale_l1 * share[y, j] * sign + scale_ssim * ssim_grad
