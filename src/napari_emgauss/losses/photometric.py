"""L1 and D-SSIM as 3D Gaussian Splatting trains on them (Kerbl et al. 2023, eq. 7)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import ConfigError
from napari_emgauss.losses import kernels
from napari_emgauss.losses.window import C1, C2, blurred
from napari_emgauss.runtime.threads import for_each

BAND_ROWS = 32
"""Rows that one thread blurs at a time; fixed, so that the loss does not depend on the number of threads."""


def _check(pred: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Raise unless all are images of one shape."""
    if pred.ndim != 2 or pred.numel() == 0:
        raise ValueError(f"pred must be an image (h, w) of at least one pixel, got shape {tuple(pred.shape)}.")
    for name, tensor in ({"target": target} | ({} if weight is None else {"weight": weight})).items():
        if tensor.shape != pred.shape:
            raise ValueError(f"{name} must have the shape of pred, {tuple(pred.shape)}, got {tuple(tensor.shape)}.")


def _shares(pred: Tensor, weight: Tensor | None) -> Tensor:
    """Return the weight of every pixel in the mean; they sum to 1.

    To look at weights on a GPU would be to wait for it: there, weights without a positive sum make a loss of NaN.
    """
    if weight is None:
        return torch.full_like(pred, 1 / pred.numel(), requires_grad=False)
    total = weight.detach().sum()
    if total.device.type == "cpu" and not total > 0:
        raise ValueError(f"weight must have a positive sum, got {total.item()}. Give every image pixels that count.")
    return (weight.detach() / total).to(pred.dtype)


def l1(
    pred: Float[Tensor, "h w"], target: Float[Tensor, "h w"], *, weight: Float[Tensor, "h w"] | None = None
) -> Float[Tensor, ""]:
    """Return the mean absolute difference; weighted, Σ w |pred - target| / Σ w."""
    _check(pred, target, weight)
    if weight is None:
        return (pred - target).abs().mean()
    return ((pred - target).abs() * _shares(pred, weight)).sum()


def photometric_torch(
    pred: Float[Tensor, "*k h w"],
    target: Float[Tensor, "*k h w"],
    share: Float[Tensor, "*k h w"],
    lambda_dssim: float,
) -> Float[Tensor, ""]:
    """Compute the loss in operations of torch, for any device and dtype; the compiled kernels are tested against it.

    Of several images the sum of their losses.
    """
    maps = torch.stack([pred, target, pred * pred, target * target, pred * target])
    mean_p, mean_t, square_p, square_t, product = blurred(maps.flatten(0, -3)).view_as(maps)
    numerator = (2 * mean_p * mean_t + C1) * (2 * (product - mean_p * mean_t) + C2)
    spread = square_p - mean_p * mean_p + square_t - mean_t * mean_t + C2
    ssim = numerator / ((mean_p * mean_p + mean_t * mean_t + C1) * spread)
    loss: Tensor = (share * ((1 - lambda_dssim) * (pred - target).abs() + lambda_dssim * (1 - ssim))).sum()
    return loss


class _Compiled(torch.autograd.Function):
    """(1 - λ) L1 + λ (1 - SSIM) of float32 images in main memory; differentiable in ``pred`` only."""

    @staticmethod
    def forward(ctx: Any, pred: Tensor, target: Tensor, share: Tensor, lambda_dssim: float) -> Tensor:
        p, t, shares = _array(pred), _array(target), _array(share)
        height, width = p.shape
        partial = np.empty((3, height, width), np.float32)
        totals = np.zeros((-(-height // BAND_ROWS), 2))

        def measure(band: int) -> None:
            totals[band] = kernels.loss_forward(p, t, shares, *_rows(band, height), partial)

        for_each(measure, range(len(totals)))
        ctx.save_for_backward(pred, target, share)
        ctx.partial, ctx.lambda_dssim = partial, lambda_dssim
        total_l1, total_ssim = totals.sum(0)
        return pred.new_tensor((1 - lambda_dssim) * total_l1 + lambda_dssim * (1 - total_ssim))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        p, t, shares = (_array(saved) for saved in ctx.saved_tensors)
        height = len(p)
        grad = np.empty_like(p)
        scales = (1 - ctx.lambda_dssim) * upstream.item(), -ctx.lambda_dssim * upstream.item()

        def spread(band: int) -> None:
            kernels.loss_backward(p, t, shares, ctx.partial, scales, *_rows(band, height), grad)

        for_each(spread, range(-(-height // BAND_ROWS)))
        return torch.from_numpy(grad), None, None, None


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().contiguous().numpy()
    return array


def _rows(band: int, height: int) -> tuple[int, int]:
    return band * BAND_ROWS, min((band + 1) * BAND_ROWS, height)


def d_ssim(
    pred: Float[Tensor, "h w"], target: Float[Tensor, "h w"], *, weight: Float[Tensor, "h w"] | None = None
) -> Float[Tensor, ""]:
    """Return 1 - SSIM: 11 x 11 Gaussian window (σ 1.5 px), zero padding, data range 1; from 0 (equal) to 2.

    3DGS trains with this window; it is not the one that metrics are reported with.
    """
    return photometric_loss(pred, target, weight=weight, lambda_dssim=1.0)


def photometric_loss(
    pred: Float[Tensor, "h w"],
    target: Float[Tensor, "h w"],
    *,
    weight: Float[Tensor, "h w"] | None = None,
    lambda_dssim: float = 0.2,
) -> Float[Tensor, ""]:
    """Return (1 - λ) L1 + λ (1 - SSIM); see `d_ssim` for the window.

    float32 images in main memory take compiled kernels unless ``target`` needs a gradient; all others
    operations of torch, which agree to rounding.

    Parameters
    ----------
    pred, target
        Rendered and observed image, intensities in [0, 1].
    weight
        How much each pixel counts, at least 0; by default all the same. Tiles fade their borders with it.
    lambda_dssim
        λ, between 0 (L1 alone, fastest) and 1.

    Raises
    ------
    ConfigError
        If λ is out of range.
    ValueError
        If shapes differ, or no pixel counts.
    """
    if not 0 <= lambda_dssim <= 1:
        raise ConfigError(f"lambda_dssim must lie in [0, 1], got {lambda_dssim}. 3DGS uses 0.2.")
    if lambda_dssim == 0:
        return l1(pred, target, weight=weight)
    _check(pred, target, weight)
    share = _shares(pred, weight)
    if pred.device.type == "cpu" and pred.dtype == target.dtype == torch.float32 and not target.requires_grad:
        loss: Tensor = _Compiled.apply(pred, target, share, lambda_dssim)  # type: ignore[no-untyped-call]
        return loss
    return photometric_torch(pred, target, share, lambda_dssim)
