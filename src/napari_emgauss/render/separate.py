"""Sums over the Gaussians of each of several images that are worked on side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


class OneImage:
    """All Gaussians belong to one image: its numbers are scalars."""

    def sum(self, values: Tensor) -> Float[Tensor, ""]:
        """Add up what the Gaussians have."""
        return values.sum()

    def mean(self, image: Float[Tensor, "h w"]) -> Float[Tensor, ""]:
        """Return the mean over the pixels."""
        return image.mean()

    def spread(self, value: Float[Tensor, ""], ndim: int = 1) -> Tensor:
        """Return the image's number for every Gaussian, to be multiplied with what has ``ndim`` axes."""
        return value


class SeveralImages:
    """Each image has Gaussians of its own, in its order; numbers of the images are (k,).

    Parameters
    ----------
    counts
        Number of Gaussians of each image.
    device
        Where the Gaussians are.
    """

    def __init__(self, counts: Sequence[int], device: torch.device) -> None:
        self._owners, self._places = _indices(tuple(counts), device)

    def sum(self, values: Float[Tensor, "n ..."]) -> Float[Tensor, " k"]:
        """Add up what the Gaussians of each image have, always in the same order."""
        each = values.reshape(len(values), -1).sum(1)
        return torch.cat([each, each.new_zeros(1)])[self._places].sum(1)

    def mean(self, images: Float[Tensor, "k h w"]) -> Float[Tensor, " k"]:
        """Return the mean over the pixels of each image."""
        return images.mean((-2, -1))

    def spread(self, values: Float[Tensor, " k"], ndim: int = 1) -> Tensor:
        """Return the number of its image for every Gaussian, to be multiplied with what has ``ndim`` axes."""
        each: Tensor = values[self._owners]
        return each.reshape(-1, *[1] * (ndim - 1))


@lru_cache(maxsize=64)
def _indices(counts: tuple[int, ...], device: torch.device) -> tuple[Int[Tensor, " n"], Int[Tensor, "k most"]]:
    """Return the image of each Gaussian, and the Gaussians of each image, those that are missing one beyond the last.

    They are brought to a GPU without waiting for it, and kept: a training asks for the same ones again.
    """
    with torch.inference_mode(False):
        sizes, within = np.array(counts), np.arange(max(counts, default=0))
        firsts = np.cumsum(sizes) - sizes
        places = np.where(within < sizes[:, None], firsts[:, None] + within, sizes.sum())
        owners = np.repeat(np.arange(len(counts)), sizes)
        made = torch.from_numpy(owners), torch.from_numpy(places)
        if device.type == "cuda":
            made = made[0].pin_memory(), made[1].pin_memory()
        return made[0].to(device, non_blocking=True), made[1].to(device, non_blocking=True)
