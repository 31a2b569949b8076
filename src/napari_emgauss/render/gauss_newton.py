"""Gauss-Newton steps: weights, means and covariances of Gaussians moved together towards an image.

A loss is known near the drawn image I by its slope and its curvature at every pixel: L(I + δ) ≈ L(I) - g·δ + ½ δ·Hδ
with a diagonal H. The image changes to first order as δ = J x with the changes x of the Gaussians (`Tangent`), so that
the step minimises a quadratic: (Jᵀ H J + λ) x = Jᵀ g, solved by a few conjugate gradients, each of which draws once and
projects once. Columns are scaled to unit curvature, which makes of λ a number without units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.gaussians import conics_from
from napari_emgauss.render import rules
from napari_emgauss.render.separate import OneImage, SeveralImages
from napari_emgauss.render.tangent import SQUARED_NORMS, Tangent

DAMPING = 0.1
"""λ: directions in which the curvature is much smaller than that of a Gaussian alone are left as they are."""
LEAST_WEIGHT = 0.1
"""A weight far below this one moves its Gaussian no faster: where nothing is drawn, nothing says where to draw it."""
LEAST_CURVATURE = 0.1
"""Share of the mean curvature that the surroundings of a Gaussian count with at least, also outside the image."""
LEAST_VARIANCE = 1e-4
"""In px²; below it rounding decides."""
MOST_SHIFT, MOST_STRETCH = 0.7, 0.5
"""The farthest that one step moves a mean, in standard deviations, and changes the logarithm of a variance."""


@torch.no_grad()
def gauss_newton_step(
    gaussians: Mapping[str, Tensor],
    slope: Float[Tensor, "*k h w"],
    curvature: Float[Tensor, "*k h w"],
    *,
    iterations: int,
    weights_only: bool = False,
    counts: Sequence[int] | None = None,
) -> dict[str, Tensor]:
    """Return ``gaussians`` after one step down a loss of the image that they draw as a weighted sum.

    Several images, of which each has Gaussians of its own, are solved side by side: what comes out is what comes out of
    each alone.

    Parameters
    ----------
    gaussians
        ``mean_px`` (N, 2), ``log_scale`` (N, 2), ``angle_rad`` (N,) and ``intensity`` (N,).
    slope
        g, minus the gradient of the loss with respect to the image.
    curvature
        Diagonal of H, at least 0 and not 0 everywhere.
    iterations
        Conjugate gradients.
    weights_only
        Solve for the intensities alone, in which the image is linear.
    counts
        Of several images, the number of Gaussians of each, as for `splat_several`; one image of all if None.
    """
    images = OneImage() if counts is None else SeveralImages(counts, slope.device)
    mean_px, intensity = gaussians["mean_px"], gaussians["intensity"]
    conics, _ = conics_from(gaussians["log_scale"], gaussians["angle_rad"])
    tangent = Tangent(mean_px, conics, (slope.shape[-2], slope.shape[-1]), counts=counts)
    area = math.pi * torch.exp(gaussians["log_scale"].sum(-1))
    # A Gaussian's integral is 2 π √det Σ.
    around = tangent.project(curvature)[:, 0] / (2 * area)
    around = torch.maximum(around, images.spread((LEAST_CURVATURE * images.mean(curvature)).clamp(min=1e-30)))
    norms = torch.stack([torch.sqrt(area * around * norm) for norm in SQUARED_NORMS], 1)
    trusted = torch.sqrt(intensity**2 + LEAST_WEIGHT**2)
    scales = 1 / norms
    scales[:, 1:] *= 0 if weights_only else (intensity / trusted)[:, None]

    def apply(x: Tensor) -> Tensor:
        return scales * tangent.project(curvature * tangent.draw(scales * x)) + DAMPING * x

    x = conjugate_gradients(apply, scales * tangent.project(slope), iterations, images)
    weights = scales * x
    moved = {"intensity": intensity + weights[:, 0] - 0.5 * (weights[:, 3] + weights[:, 4])}
    if weights_only:
        return {**gaussians, **moved}
    deformed = _deformed(mean_px, conics, x[:, 1:] / (norms[:, 1:] * trusted[:, None]))
    drawn = rules.drawable(mean_px, conics)
    for name, values in deformed.items():
        before = gaussians[name]
        moved[name] = torch.where(drawn if values.ndim == 1 else drawn[:, None], values.to(before.dtype), before)
    return {**gaussians, **moved}


def conjugate_gradients(
    apply: Callable[[Tensor], Tensor], b: Tensor, iterations: int, images: OneImage | SeveralImages | None = None
) -> Tensor:
    """Return x after ``iterations`` towards A x = b from 0, A symmetric and positive definite.

    ``images`` has the rows of b that are systems of their own; by default all are one.
    """
    images = images or OneImage()
    x, residual, direction = torch.zeros_like(b), b.clone(), b.clone()
    squared = images.sum(residual * residual)
    for _ in range(iterations):
        image = apply(direction)
        step = images.spread(squared / images.sum(direction * image).clamp(min=1e-30), b.ndim)
        x += step * direction
        residual -= step * image
        before, squared = squared, images.sum(residual * residual)
        direction = residual + images.spread(squared / before.clamp(min=1e-30), b.ndim) * direction
    return x


def _deformed(mean_px: Tensor, conics: Tensor, changes: Float[Tensor, "n 5"]) -> dict[str, Tensor]:
    """Move means and covariances Σ = L Lᵀ by changes of the whitened offsets (p, q): Δp, Δq, ½ Δp², ½ Δq² and Δpq.

    Means move by L m, covariances become L exp(S) Lᵀ.
    """
    shift = changes[:, :2] * torch.clamp(MOST_SHIFT / changes[:, :2].norm(dim=1), max=1)[:, None]
    large, small, angle = _principal(2 * changes[:, 2], changes[:, 4], 2 * changes[:, 3])
    large, small = (torch.exp(MOST_STRETCH * torch.tanh(v / MOST_STRETCH)) for v in (large, small))
    cos, sin = torch.cos(angle), torch.sin(angle)
    pp, pq, qq = cos**2 * large + sin**2 * small, cos * sin * (large - small), sin**2 * large + cos**2 * small
    yy, yx, xx = conics.double().unbind(1)
    # From p² + q² = dᵀ Σ⁻¹ d: dy = y_p p and dx = x_p p + x_q q.
    y_p, x_q = torch.sqrt(xx / (yy * xx - yx * yx)), torch.rsqrt(xx)
    x_p = -yx / xx * y_p
    moved = mean_px + torch.stack([y_p * shift[:, 0], x_p * shift[:, 0] + x_q * shift[:, 1]], 1)
    large, small, angle = _principal(
        y_p * y_p * pp, y_p * (x_p * pp + x_q * pq), x_p * x_p * pp + 2 * x_p * x_q * pq + x_q * x_q * qq
    )
    variances = torch.stack([large, small], 1).clamp(min=LEAST_VARIANCE)
    return {"mean_px": moved, "log_scale": 0.5 * torch.log(variances), "angle_rad": angle}


def _principal(yy: Tensor, yx: Tensor, xx: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the larger and the smaller eigenvalue of [[yy, yx], [yx, xx]], and the angle of the first from y to x."""
    middle, half = (yy + xx) / 2, torch.hypot((yy - xx) / 2, yx)
    return middle + half, middle - half, 0.5 * torch.atan2(2 * yx, yy - xx)
