"""The ``triton`` backend: weighted sums and their tangent maps on a GPU.

Forward, a program owns a tile of pixels and walks the list of Gaussians that touch it (`pairs`), in their order.
Backward, a program owns a Gaussian and sums over the pixels of its box. Nothing is added to memory that others add to,
so that results repeat bit for bit, and nothing waits for the device. Several images are drawn in one pass: their tiles
and Gaussians are numbered through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.render.gpu import kernels
from napari_emgauss.render.gpu.pairs import TILE_PX, PairList, list_pairs

DRAW_UNROLL, DRAW_WARPS = 4, 1
"""Gaussians that a tile's program has under way at a time, and its warps of 32 threads."""
COLLECT_PX = 16, 8
"""Pixels that a Gaussian's program, a warp, sums at a time."""


def _device_of(tensor: Tensor) -> AbstractContextManager[Any]:
    """Make the tensor's the current device, on which kernels start."""
    context: AbstractContextManager[Any] = torch.cuda.device_of(tensor)  # type: ignore[no-untyped-call]
    return context


def _draw(pairs: PairList, values: Tensor, n_channels: int, *, changes: bool) -> Float[Tensor, "k h w d"]:
    (k, height, width), (rows, columns) = pairs.shape, pairs.n_tiles
    images = values.new_empty((k, height, width, n_channels))
    lists = pairs.lists, pairs.ends, pairs.firsts, len(pairs.records), pairs.slots
    sizes = n_channels, k, rows, columns, height, width
    grid, constants = (k * rows * columns, n_channels), (changes, *TILE_PX, DRAW_UNROLL)
    kernels.draw(grid, pairs.records, values, *lists, *sizes, images, *constants, warps=DRAW_WARPS)
    return images


class _TiledSum(torch.autograd.Function):
    """Weighted sums: (means, conics, weights (n, d)) -> (k, h, w, d)."""

    @staticmethod
    def forward(
        ctx: Any, means: Tensor, conics: Tensor, weights: Tensor, counts: tuple[int, ...], shape: tuple[int, int]
    ) -> Tensor:
        means, conics, weights = means.contiguous(), conics.contiguous(), weights.contiguous()
        with _device_of(means):
            pairs = list_pairs(means, conics, counts, shape)
            images = _draw(pairs, weights, weights.shape[1], changes=False)
        ctx.save_for_backward(conics, weights, pairs.records)
        return images

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, image_grad: Tensor) -> tuple[Tensor | None, ...]:
        conics, weights, records = ctx.saved_tensors
        (n, d), (height, width) = weights.shape, image_grad.shape[1:3]
        grads = conics.new_empty((d, n, 2)), conics.new_empty((d, n, 3)), torch.empty_like(weights)
        with _device_of(conics):
            arguments = records, conics, weights, image_grad.contiguous(), n, d, height, width, *grads
            kernels.collect((n, d), *arguments, False, *COLLECT_PX, warps=1)
        means_grad, conics_grad = (grad[0] if d == 1 else grad.sum(0) for grad in grads[:2])
        return means_grad, conics_grad, grads[2], None, None


def splat_sums(
    means_px: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n d"],
    opacities: Float[Tensor, "n"] | None,
    counts: Sequence[int],
    shape: tuple[int, int],
) -> Float[Tensor, "k h w d"]:
    """Draw I = Σ o w exp(-½ dᵀΣ⁻¹d) of the first ``counts[0]`` Gaussians, of the next ``counts[1]``, and so on."""
    if opacities is not None:
        weights = weights * opacities[:, None]
    if len(means_px) == 0:
        # Zeros that have a gradient, if an empty one.
        return (weights.sum() + means_px.sum() + conics.sum()).expand(len(counts), *shape, weights.shape[1])
    images: Tensor = _TiledSum.apply(means_px, conics, weights, tuple(counts), shape)  # type: ignore[no-untyped-call]
    return images


def splat_sum(
    means_px: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n d"],
    opacities: Float[Tensor, "n"] | None,
    shape: tuple[int, int],
) -> Float[Tensor, "h w d"]:
    """Draw I = Σ o w exp(-½ dᵀΣ⁻¹d)."""
    return splat_sums(means_px, conics, weights, opacities, (len(means_px),), shape).squeeze(0)


def tangent_maps(
    means_px: Float[Tensor, "n 2"], conics: Float[Tensor, "n 3"], counts: Sequence[int], shape: tuple[int, int]
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """Return the two maps of `Tangent`, for images (k, h, w) drawn in one pass; both use one list of pairs."""
    n, (height, width) = len(means_px), shape
    if n == 0:
        return lambda _: means_px.new_zeros((len(counts), *shape)), lambda _: means_px.new_zeros((0, 6))
    with _device_of(means_px):
        pairs = list_pairs(means_px.detach().contiguous(), conics.detach().contiguous(), tuple(counts), shape)

    def draw(coefficients: Tensor) -> Tensor:
        with _device_of(means_px):
            return _draw(pairs, coefficients.contiguous(), 1, changes=True).squeeze(-1)

    def project(images: Tensor) -> Tensor:
        moments = images.new_empty((n, 6))
        unused = [pairs.records] * 2
        with _device_of(means_px):
            arguments = pairs.records, *unused, images.contiguous(), n, 1, height, width, moments, *unused
            kernels.collect((n, 1), *arguments, True, *COLLECT_PX, warps=1)
        return moments

    return draw, project
