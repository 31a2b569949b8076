"""The window and constants of SSIM as 3DGS trains on it (Wang et al. 2004, for a data range of 1)."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import conv2d

RADIUS = 5
SIGMA_PX = 1.5
C1 = 0.01**2
C2 = 0.03**2

_samples = [math.exp(-(k**2) / (2 * SIGMA_PX**2)) for k in range(-RADIUS, RADIUS + 1)]
WINDOW = tuple(sample / math.fsum(_samples) for sample in _samples)
"""Weights of the 11 taps; they sum to 1."""


def blurred(maps: Tensor) -> Tensor:
    """Return images (n, h, w) convolved with the window along both axes, with zeros beyond their borders.

    On a GPU as products with banded matrices: exact in float32, where convolutions are rounded to TF32 by default and
    their gradients can vary from run to run.
    """
    if maps.device.type == "cpu":
        window = torch.tensor(WINDOW, dtype=maps.dtype)
        rows = conv2d(maps[:, None], window.view(1, 1, -1, 1), padding=(RADIUS, 0))
        return conv2d(rows, window.view(1, 1, 1, -1), padding=(0, RADIUS))[:, 0]
    down, across = (_band(side, maps.dtype, maps.device) for side in maps.shape[1:])
    return down @ maps @ across


@lru_cache(maxsize=16)
def _band(side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the symmetric matrix (side, side) whose product with a column is that column convolved."""
    with torch.inference_mode(False):  # or what is kept could not be differentiated through later
        band = torch.zeros(side, side, dtype=torch.float64)
        for offset, weight in zip(range(-RADIUS, RADIUS + 1), WINDOW, strict=True):
            if abs(offset) < side:
                band.diagonal(offset).fill_(weight)
        return band.to(dtype).to(device)
