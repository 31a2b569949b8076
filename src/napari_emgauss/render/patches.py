"""The ``torch`` backend: weighted sums on any device, in plain tensor operations.

Gaussians whose boxes have similar sizes are drawn together as rectangular patches, in chunks that bound the memory.
Forward and backward recompute the exponentials instead of keeping N patches alive for autograd. Patches overlap, so
that on a GPU (atomic additions) the last digits of an image vary from run to run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from napari_emgauss.render import rules

CHUNK_PIXELS = 1 << 22
"""Patch pixels drawn at a time: some 100 MiB of temporaries."""


class _Patches(NamedTuple):
    """Patches of m Gaussians, ky x kx pixels each, with d = (dy, dx) and u = dx + (b / c) dy (see ``kernels``)."""

    members: Int[Tensor, "m"]
    pixels: Int[Tensor, "m ky kx"]
    exponentials: Float[Tensor, "m ky kx"]
    dy: Float[Tensor, "m ky"]
    u: Float[Tensor, "m ky kx"]


class _Geometry(NamedTuple):
    """Per-Gaussian constants in float64, and the box of pixels [low, high) in (y, x)."""

    depth: Float[Tensor, "n"]
    shear: Float[Tensor, "n"]
    low: Int[Tensor, "n 2"]
    high: Int[Tensor, "n 2"]


def _geometry(means: Tensor, conics: Tensor, shape: tuple[int, int]) -> _Geometry:
    """Find boxes that hold the drawn part of each Gaussian inside the image; empty if there is none."""
    drawn = rules.drawable(means, conics)
    centre = torch.where(drawn[:, None], means, 0.0).double()
    # Replaced by the identity, so that what is not drawn stays finite.
    yy, yx, xx = torch.where(drawn[:, None], conics, conics.new_tensor([1.0, 0.0, 1.0])).double().unbind(1)
    det = yy * xx - yx * yx
    half = torch.sqrt(2 * rules.CUTOFF_EXPONENT * torch.stack([xx, yy], 1) / det[:, None])
    size = centre.new_tensor(shape)
    low = torch.minimum((centre - half).ceil().clamp(min=0), size)
    high = torch.minimum(((centre + half).floor() + 1).clamp(min=0), size)
    high = torch.where(drawn[:, None], high, low)
    return _Geometry(0.5 * det / xx, yx / xx, low.long(), high.long())


def _draw(means: Tensor, conics: Tensor, g: _Geometry, members: Tensor, ky: int, kx: int, width: int) -> _Patches:
    """Evaluate the exponentials of some Gaussians on patches of ky x kx pixels."""
    low, high = g.low[members], g.high[members]
    y = low[:, 0, None] + torch.arange(ky, device=means.device)
    x = low[:, 1, None] + torch.arange(kx, device=means.device)
    inside: Bool[Tensor, "m ky kx"] = (y < high[:, 0, None])[:, :, None] & (x < high[:, 1, None])[:, None, :]
    dy = y - means[members, 0, None].double()
    # The large numbers are subtracted in float64; u and what follows is float32.
    dx = x - means[members, 1, None].double()
    u = (dx[:, None, :] + (g.shear[members, None] * dy)[:, :, None]).to(means.dtype)
    base = (g.depth[members, None] * dy * dy)[:, :, None].to(means.dtype)
    half_distance = base + 0.5 * conics[members, 2, None, None] * u * u
    inside &= half_distance <= rules.CUTOFF_EXPONENT
    pixels = torch.where(inside, y[:, :, None] * width + x[:, None, :], 0)
    return _Patches(members, pixels, torch.where(inside, torch.exp(-half_distance), 0.0), dy, u)


def _all_patches(means: Tensor, conics: Tensor, shape: tuple[int, int]) -> Iterator[tuple[_Patches, _Geometry]]:
    """Yield every Gaussian that is seen once, grouped by patch sizes that are powers of two."""
    geometry = _geometry(means, conics, shape)
    extent = geometry.high - geometry.low
    seen = (extent > 0).all(1).nonzero()[:, 0]
    exponent = torch.log2(extent[seen].double()).ceil().long()
    for ey, ex in torch.unique(exponent, dim=0).tolist():
        group = seen[(exponent == exponent.new_tensor([ey, ex])).all(1)]
        ky, kx = min(2**ey, shape[0]), min(2**ex, shape[1])
        for members in torch.split(group, max(1, CHUNK_PIXELS // (ky * kx))):
            yield _draw(means, conics, geometry, members, ky, kx, shape[1]), geometry


class _PatchedSum(torch.autograd.Function):
    """Weighted sum: (means, conics, weights (n, d)) -> (h, w, d)."""

    @staticmethod
    def forward(ctx: Any, means: Tensor, conics: Tensor, weights: Tensor, shape: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(means, conics, weights)
        ctx.shape = shape
        channels = weights.shape[1]
        image = weights.new_zeros((shape[0] * shape[1], channels))
        for patches, _ in _all_patches(means, conics, shape):
            values = patches.exponentials[..., None] * weights[patches.members, None, None, :]
            image.index_add_(0, patches.pixels.flatten(), values.reshape(-1, channels))
        return image.reshape(*shape, channels)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, image_grad: Tensor) -> tuple[Tensor | None, ...]:
        means, conics, weights = ctx.saved_tensors
        upstream = image_grad.reshape(-1, weights.shape[1])
        grads = torch.zeros_like(means), torch.zeros_like(conics), torch.zeros_like(weights)
        for patches, geometry in _all_patches(means, conics, ctx.shape):
            _, _, e, dy, u = patches
            i = patches.members
            seen = upstream[patches.pixels] * e[..., None]
            grads[2][i] = seen.sum((1, 2))
            v = (seen * weights[i, None, None, :]).sum(-1)
            s0, s1, s2 = (moment.sum(2).double() for moment in (v, v * u, v * u * u))
            offset = geometry.shear[i, None] * dy
            b, c = conics[i, 1].double(), conics[i, 2].double()
            total_u = s1.sum(1)
            grads[0][i, 0] = (2 * geometry.depth[i] * (dy * s0).sum(1) + b * total_u).to(means.dtype)
            grads[0][i, 1] = (c * total_u).to(means.dtype)
            grads[1][i, 0] = (-0.5 * (dy * dy * s0).sum(1)).to(means.dtype)
            grads[1][i, 1] = -(dy * (s1 - offset * s0)).sum(1).to(means.dtype)
            grads[1][i, 2] = (-0.5 * (s2 - 2 * offset * s1 + offset * offset * s0).sum(1)).to(means.dtype)
        return *grads, None


def _basis(patches: _Patches, geometry: _Geometry, conics: Tensor) -> tuple[Tensor, Tensor]:
    """Return p (m, ky, 1) and q (m, ky, kx) of the pixels of patches (see ``tangent``)."""
    members = patches.members
    p = torch.sqrt(2 * geometry.depth[members, None]) * patches.dy
    return p.to(conics.dtype)[:, :, None], torch.sqrt(conics[members, 2])[:, None, None] * patches.u


def draw_changes(
    means_px: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    coefficients: Float[Tensor, "n 6"],
    shape: tuple[int, int],
) -> Float[Tensor, "h w"]:
    """Draw Σ e (a0 + a1 p + a2 q + a3 (p² - ½) + a4 (q² - ½) + a5 p q)."""
    image = coefficients.new_zeros(shape[0] * shape[1])
    for patches, geometry in _all_patches(means_px, conics, shape):
        p, q = _basis(patches, geometry, conics)
        a0, a1, a2, a3, a4, a5 = coefficients[patches.members, :, None, None].unbind(1)
        values = a0 + p * (a1 + a3 * p) + q * (a2 + a5 * p + a4 * q) - 0.5 * (a3 + a4)
        image.index_add_(0, patches.pixels.flatten(), (values * patches.exponentials).flatten())
    return image.reshape(shape)


def project(
    means_px: Float[Tensor, "n 2"], conics: Float[Tensor, "n 3"], image: Float[Tensor, "h w"]
) -> Float[Tensor, "n 6"]:
    """Sum the products of ``image`` with e times 1, p, q, p² - ½, q² - ½ and p q."""
    moments = means_px.new_zeros((len(means_px), 6))
    for patches, geometry in _all_patches(means_px, conics, (image.shape[0], image.shape[1])):
        p, q = _basis(patches, geometry, conics)
        seen = image.reshape(-1)[patches.pixels] * patches.exponentials
        columns = (seen, seen * p, seen * q, seen * (p * p - 0.5), seen * (q * q - 0.5), seen * p * q)
        moments[patches.members] = torch.stack([column.sum((1, 2)) for column in columns], 1)
    return moments


def splat_sum(
    means_px: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n d"],
    opacities: Float[Tensor, "n"] | None,
    shape: tuple[int, int],
) -> Float[Tensor, "h w d"]:
    """Draw I = Σ o w exp(-½ dᵀΣ⁻¹d)."""
    if opacities is not None:
        weights = weights * opacities[:, None]
    image: Tensor = _PatchedSum.apply(means_px, conics, weights, shape)  # type: ignore[no-untyped-call]
    return image
