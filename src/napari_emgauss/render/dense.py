"""The ``dense`` backend: the definition of what is drawn, in float64, at a cost of N x H x W. For tests and doubts."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.render import rules


def _exponentials(
    means_px: Float[Tensor, "n 2"], conics: Float[Tensor, "n 3"], shape: tuple[int, int]
) -> Float[Tensor, "n h w"]:
    """Return exp(-½ dᵀΣ⁻¹d) at every pixel, zero beyond the cut-off and for Gaussians that are not drawn."""
    drawn = rules.drawable(means_px, conics)
    # Replaced, not multiplied by zero: a NaN would survive that, in the value or in the gradient.
    means_px = torch.where(drawn[:, None], means_px, 0.0).double()
    conics = torch.where(drawn[:, None], conics, 1.0).double()
    y = torch.arange(shape[0], dtype=torch.float64, device=means_px.device)
    x = torch.arange(shape[1], dtype=torch.float64, device=means_px.device)
    dy = y[:, None] - means_px[:, 0, None, None]
    dx = x[None, :] - means_px[:, 1, None, None]
    yy, yx, xx = conics[:, :, None, None].unbind(1)
    half_distance = 0.5 * (yy * dy * dy + 2 * yx * dy * dx + xx * dx * dx)
    return torch.where((half_distance <= rules.CUTOFF_EXPONENT) & drawn[:, None, None], torch.exp(-half_distance), 0.0)


def splat_sum(
    means_px: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n d"],
    opacities: Float[Tensor, "n"] | None,
    shape: tuple[int, int],
) -> Float[Tensor, "h w d"]:
    """Draw I = Σ o w exp(-½ dᵀΣ⁻¹d)."""
    scaled = weights.double() if opacities is None else weights.double() * opacities.double()[:, None]
    return torch.einsum("nhw,nd->hwd", _exponentials(means_px, conics, shape), scaled).to(means_px.dtype)


def splat_alpha(
    means_px: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n d"],
    opacities: Float[Tensor, "n"] | None,
    shape: tuple[int, int],
) -> Float[Tensor, "h w d"]:
    """Draw I = Σ w α T with T the product of 1 - α over the Gaussians before, in index order."""
    exponentials = _exponentials(means_px, conics, shape)
    alpha = exponentials if opacities is None else exponentials * opacities.double()[:, None, None]
    alpha = torch.where(alpha >= rules.CUTOFF, alpha.clamp(max=rules.ALPHA_MAX), 0.0)
    after = torch.cumprod(1 - alpha, dim=0)
    before = torch.cat([torch.ones_like(after[:1]), after[:-1]])
    contribution = torch.where(after > rules.TRANSMITTANCE_STOP, alpha * before, 0.0)
    return torch.einsum("nhw,nd->hwd", contribution, weights.double()).to(means_px.dtype)
