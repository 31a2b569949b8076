"""The ``cpu`` backend: compiled kernels on row bands and ranges of Gaussians, as differentiable torch functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.render import kernels, tangent_kernels
from napari_emgauss.render.ellipses import CHUNK
from napari_emgauss.runtime.threads import even_ranges, for_each, get_threads

PARTS_PER_THREAD = 4
"""Parts per thread: a thread that is held up by other work then delays the others less."""

BAND_ROWS = 32
"""Rows that one thread composites at a time; fixed, so that gradients do not depend on the number of threads."""


def as_array(tensor: Tensor) -> FloatArray:
    """Return the tensor's memory as a C-contiguous array (one layout, one compiled signature)."""
    array: FloatArray = tensor.detach().contiguous().numpy()
    return array


def padded(shape: Sequence[int]) -> FloatArray:
    """Return zeros (H, W + CHUNK), as the kernels of sums want their images."""
    return np.zeros((shape[0], shape[1] + CHUNK), np.float32)


def _gradients(*arrays: FloatArray) -> tuple[FloatArray, ...]:
    """Return zeros for the gradients; a contiguous array each, which autograd takes over without a copy."""
    return tuple(np.zeros_like(array) for array in arrays)


class _CompiledSum(torch.autograd.Function):
    """Weighted sum of one channel: (means, conics, weights (n,)) -> (h, w)."""

    @staticmethod
    def forward(ctx: Any, means: Tensor, conics: Tensor, weights: Tensor, shape: tuple[int, int]) -> Tensor:
        arrays = as_array(means), as_array(conics), as_array(weights)
        image = padded(shape)
        # One band per thread: every band looks at every Gaussian.
        bands = even_ranges(shape[0], get_threads())
        for_each(lambda rows: kernels.sum_forward(*arrays, shape[1], *rows, image), bands)
        ctx.save_for_backward(means, conics, weights)
        return torch.from_numpy(image[:, : shape[1]].copy())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, image_grad: Tensor) -> tuple[Tensor | None, ...]:
        means, conics, weights = (as_array(saved) for saved in ctx.saved_tensors)
        width = image_grad.shape[1]
        upstream, grads = padded(image_grad.shape), _gradients(means, conics, weights)
        upstream[:, :width] = as_array(image_grad)
        parts = even_ranges(len(means), get_threads() * PARTS_PER_THREAD)
        for_each(lambda part: kernels.sum_backward(means, conics, weights, upstream, width, *part, *grads), parts)
        return *map(torch.from_numpy, grads), None


class _Bands:
    """Row bands of an image and, in index order, the Gaussians that touch each."""

    def __init__(self, means: FloatArray, conics: FloatArray, opacities: FloatArray, height: int) -> None:
        touched = np.empty((len(means), 2), np.int64)
        kernels.count_bands(means, conics, opacities, height, BAND_ROWS, touched)
        self.n_bands = -(-height // BAND_ROWS)
        drawn = touched[touched[:, 1] > touched[:, 0]]
        change = np.bincount(drawn[:, 0], minlength=self.n_bands + 1)
        change -= np.bincount(drawn[:, 1], minlength=self.n_bands + 1)
        self.starts = np.concatenate([[0], np.cumsum(np.cumsum(change)[: self.n_bands])])
        self.members = np.empty(self.starts[-1], np.int64)
        kernels.fill_bands(touched, self.starts[:-1].copy(), self.members)
        self.height = height

    def rows(self, band: int) -> tuple[int, int]:
        """Return the image rows of a band, half-open."""
        return band * BAND_ROWS, min((band + 1) * BAND_ROWS, self.height)

    def entries(self, band: int) -> slice:
        """Return the place of a band's members."""
        return slice(int(self.starts[band]), int(self.starts[band + 1]))


class _CompiledAlpha(torch.autograd.Function):
    """Front-to-back compositing of one channel: (means, conics, weights (n,), opacities (n,)) -> (h, w)."""

    @staticmethod
    def forward(
        ctx: Any, means: Tensor, conics: Tensor, weights: Tensor, opacities: Tensor, shape: tuple[int, int]
    ) -> Tensor:
        arrays = as_array(means), as_array(conics), as_array(weights), as_array(opacities)
        bands = _Bands(arrays[0], arrays[1], arrays[3], shape[0])
        image, transmittance = np.zeros(shape, np.float32), np.ones(shape, np.float32)

        def composite(band: int) -> None:
            members = bands.members[bands.entries(band)]
            kernels.alpha_forward(*arrays, members, *bands.rows(band), image, transmittance)

        for_each(composite, range(bands.n_bands))
        result = torch.from_numpy(image)
        ctx.save_for_backward(means, conics, weights, opacities, result)
        ctx.bands = bands
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, image_grad: Tensor) -> tuple[Tensor | None, ...]:
        means, conics, weights, opacities, image = (as_array(saved) for saved in ctx.saved_tensors)
        arrays = means, conics, weights, opacities
        bands: _Bands = ctx.bands
        upstream, behind = as_array(image_grad), image.copy()
        transmittance = np.ones_like(behind)
        member_grad = np.zeros((len(bands.members), 7), np.float32)

        def replay(band: int) -> None:
            entries = bands.entries(band)
            images = upstream, behind, transmittance
            kernels.alpha_backward(*arrays, bands.members[entries], *bands.rows(band), *images, member_grad[entries])

        for_each(replay, range(bands.n_bands))
        grads = _gradients(means, conics, weights, opacities)
        kernels.add_members(bands.members, member_grad, *grads)
        return *map(torch.from_numpy, grads), None


def _channels_last(images: list[Tensor]) -> Float[Tensor, "h w d"]:
    return torch.stack(images, -1) if len(images) > 1 else images[0][..., None]


def splat_sum(
    means_px: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n d"],
    opacities: Float[Tensor, "n"] | None,
    shape: tuple[int, int],
) -> Float[Tensor, "h w d"]:
    """Sum with weights; channels are independent and their gradients add up, so one kernel draws them in turn."""
    if opacities is not None:
        weights = weights * opacities[:, None]
    return _channels_last([_CompiledSum.apply(means_px, conics, channel, shape) for channel in weights.unbind(1)])  # type: ignore[no-untyped-call]


def splat_alpha(
    means_px: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    weights: Float[Tensor, "n d"],
    opacities: Float[Tensor, "n"] | None,
    shape: tuple[int, int],
) -> Float[Tensor, "h w d"]:
    """Composite front to back in index order, one channel after the other."""
    if opacities is None:
        opacities = torch.ones_like(means_px[:, 0])
    inputs = means_px, conics
    return _channels_last([_CompiledAlpha.apply(*inputs, channel, opacities, shape) for channel in weights.unbind(1)])  # type: ignore[no-untyped-call]


def draw_changes(
    means_px: Float[Tensor, "n 2"],
    conics: Float[Tensor, "n 3"],
    coefficients: Float[Tensor, "n 6"],
    shape: tuple[int, int],
) -> Float[Tensor, "h w"]:
    """Draw Σ e · (coefficients · basis), see `Tangent`."""
    arrays, image = (as_array(means_px), as_array(conics), as_array(coefficients)), padded(shape)
    bands = even_ranges(shape[0], get_threads())
    for_each(lambda rows: tangent_kernels.draw_changes(*arrays, shape[1], *rows, image), bands)
    return torch.from_numpy(image[:, : shape[1]].copy())


def project(
    means_px: Float[Tensor, "n 2"], conics: Float[Tensor, "n 3"], image: Float[Tensor, "h w"]
) -> Float[Tensor, "n 6"]:
    """Sum the products of ``image`` with every column, see `Tangent`."""
    arrays, width = (as_array(means_px), as_array(conics)), image.shape[1]
    seen, moments = padded(image.shape), np.zeros((len(means_px), 6), np.float32)
    seen[:, :width] = as_array(image)
    parts = even_ranges(len(means_px), get_threads() * PARTS_PER_THREAD)
    for_each(lambda part: tangent_kernels.project(*arrays, seen, width, *part, moments), parts)
    return torch.from_numpy(moments)
