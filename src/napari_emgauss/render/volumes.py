"""3D Gaussians drawn into a volume, on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from napari_emgauss.render.cpu import PARTS_PER_THREAD, as_array
from napari_emgauss.render.ellipses import CHUNK
from napari_emgauss.render.volume_kernels import volume_backward, volume_forward
from napari_emgauss.runtime.threads import even_ranges, for_each, get_threads


class _CompiledVolume(torch.autograd.Function):
    """(means, precisions, weights) -> (z, y, x)."""

    @staticmethod
    def forward(ctx: Any, means: Tensor, precisions: Tensor, weights: Tensor, shape: tuple[int, int, int]) -> Tensor:
        arrays = as_array(means), as_array(precisions), as_array(weights)
        volume = np.zeros((*shape[:2], shape[2] + CHUNK), np.float32)
        for_each(lambda planes: volume_forward(*arrays, *planes, volume), even_ranges(shape[0], get_threads()))
        ctx.save_for_backward(means, precisions, weights)
        return torch.from_numpy(volume[..., : shape[2]].copy())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        means, precisions, weights = (as_array(saved) for saved in ctx.saved_tensors)
        upstream = np.zeros((*grad.shape[:2], grad.shape[2] + CHUNK), np.float32)
        upstream[..., : grad.shape[2]] = as_array(grad)
        of_means, of_precisions, of_weights = (np.zeros_like(array) for array in (means, precisions, weights))
        grads = of_means, of_precisions, of_weights
        parts = even_ranges(len(means), get_threads() * PARTS_PER_THREAD)
        for_each(lambda part: volume_backward(means, precisions, weights, upstream, *part, *grads), parts)
        return *map(torch.from_numpy, grads), None


def splat_volume(
    means_px: Float[Tensor, "n 3"],
    precisions: Float[Tensor, "n 6"],
    weights: Float[Tensor, "n"],
    shape: tuple[int, int, int],
) -> Float[Tensor, "z y x"]:
    """Draw Σ w exp(-½ dᵀΣ⁻¹d) into a volume; differentiable in all but ``shape``.

    Parameters
    ----------
    means_px
        Centres (z, y, x); the centre of voxel (i, j, k) is at (i, j, k).
    precisions
        Elements zz, zy, zx, yy, yx, xx of Σ⁻¹, in 1/px².
    weights
        Peaks.
    shape
        Number of voxels (z, y, x).

    Notes
    -----
    As in `splat`, nothing is drawn where the exponential is below 1/255, nor of Gaussians whose mean is not finite or
    whose precision is not positive definite.
    """
    volume: Tensor = _CompiledVolume.apply(means_px, precisions, weights, shape)  # type: ignore[no-untyped-call]
    return volume


def packed_precisions(covariance: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 6"]:
    """Return zz, zy, zx, yy, yx, xx of Σ⁻¹, in closed form: LAPACK takes small matrices one by one."""
    a, b, c = covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 0, 2]
    d, e, f = covariance[:, 1, 1], covariance[:, 1, 2], covariance[:, 2, 2]
    zz, zy, zx = d * f - e * e, c * e - b * f, b * e - c * d
    yy, yx, xx = a * f - c * c, b * c - a * e, a * d - b * b
    determinant = a * zz + b * zy + c * zx
    return torch.stack([zz, zy, zx, yy, yx, xx], -1) / determinant[:, None]
