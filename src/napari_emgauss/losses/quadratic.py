"""The photometric loss near an image, for steps that need its curvature."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.losses.photometric import d_ssim, photometric_torch
from napari_emgauss.losses.window import C2, blurred

LEAST_DIFFERENCE = 0.03
"""Differences below it count by their square instead of their size, or their curvature would be infinite."""


def least_squares(
    pred: Float[Tensor, "*k h w"], target: Float[Tensor, "*k h w"], weight: Float[Tensor, "*k h w"] | None = None
) -> tuple[Float[Tensor, "*k h w"], Float[Tensor, "*k h w"]]:
    """Return minus the gradient, and the curvature, of ½ Σ weight (pred - target)² with respect to ``pred``."""
    curvature = torch.ones_like(pred) if weight is None else weight
    return curvature * (target - pred), curvature


def quadratic_model(
    pred: Float[Tensor, "h w"],
    target: Float[Tensor, "h w"],
    *,
    weight: Float[Tensor, "h w"] | None = None,
    lambda_dssim: float = 0.2,
) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Return minus the gradient of the photometric loss with respect to ``pred``, and a diagonal for its curvature.

    Both are of the sum over pixels, not the mean. L1 is Huber's loss here, with the curvature 1 / |pred - target| of
    the parabola that lies above it (iteratively reweighted least squares). Where pred and target differ by δ that has
    no local mean, 1 - SSIM ≈ δ² / (2 v + C2) with v the local variance of the target, which gives 2 / (2 v + C2).

    Parameters
    ----------
    pred, target
        Rendered and observed image, intensities in [0, 1].
    weight
        How much each pixel counts, at least 0; by default all the same.
    lambda_dssim
        Share of 1 - SSIM, 0 to 1; L1 has the rest.
    """
    weight = torch.ones_like(pred) if weight is None else weight
    difference = target - pred
    curvature = (1 - lambda_dssim) * weight / difference.abs().clamp(min=LEAST_DIFFERENCE)
    slope = curvature * difference
    if lambda_dssim > 0:
        with torch.enable_grad():
            moving = pred.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(d_ssim(moving, target, weight=weight), moving)
        slope -= lambda_dssim * weight.sum() * gradient
        curvature += lambda_dssim * weight * 2 / (2 * _local_variance(target) + C2)
    return slope, curvature


def quadratic_models(
    pred: Float[Tensor, "k h w"],
    target: Float[Tensor, "k h w"],
    *,
    weight: Float[Tensor, "k h w"] | None = None,
    lambda_dssim: float = 0.2,
) -> tuple[Float[Tensor, "k h w"], Float[Tensor, "k h w"]]:
    """Return the `quadratic_model` of each of several images; on a GPU of all at once."""
    weight = torch.ones_like(pred) if weight is None else weight
    if pred.device.type == "cpu":
        each = zip(pred, target, weight, strict=True)
        models = [quadratic_model(p, t, weight=w, lambda_dssim=lambda_dssim) for p, t, w in each]
        slopes, curvatures = zip(*models, strict=True)
        return torch.stack(slopes), torch.stack(curvatures)
    return _quadratic_models_at_once(pred, target, weight, lambda_dssim)


def _quadratic_models_at_once(
    pred: Float[Tensor, "k h w"], target: Float[Tensor, "k h w"], weight: Float[Tensor, "k h w"], lambda_dssim: float
) -> tuple[Float[Tensor, "k h w"], Float[Tensor, "k h w"]]:
    difference = target - pred
    curvature = (1 - lambda_dssim) * weight / difference.abs().clamp(min=LEAST_DIFFERENCE)
    slope = curvature * difference
    if lambda_dssim > 0:
        total = weight.sum((-2, -1), keepdim=True)
        with torch.enable_grad():
            moving = pred.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(photometric_torch(moving, target, weight / total, 1.0), moving)
        slope = slope - lambda_dssim * total * gradient
        curvature = curvature + lambda_dssim * weight * 2 / (2 * _local_variance(target) + C2)
    return slope, curvature


def _local_variance(image: Float[Tensor, "*k h w"]) -> Float[Tensor, "*k h w"]:
    # Around its mean, so that the zeros beyond the borders are no contrast.
    centred = image - (image.mean() if image.ndim == 2 else image.mean((-2, -1), keepdim=True))
    maps = torch.stack([centred, centred * centred])
    mean, square = blurred(maps.flatten(0, -3)).view_as(maps)
    variance: Tensor = (square - mean * mean).clamp(min=0)
    return variance
