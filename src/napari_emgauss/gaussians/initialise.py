"""Jittered grids of Gaussians to start a training from."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from torch import Tensor

from napari_emgauss._types import FloatArray

SCALE_PER_SPACING = 0.6
"""Standard deviation over grid spacing: neighbours overlap enough to tile the plane without ripples."""

ANCHORED_MARGIN = 2.0
"""Spacings by which an anchored grid reaches beyond the section, so that its borders are not drawn dimmer."""


def _axis(size: int, spacing_px: float, margin_px: float) -> NDArray[np.float64]:
    return np.arange(-margin_px, size - 1 + margin_px + spacing_px, spacing_px)


def spacing_for(shape: tuple[int, int], spacing_px: float, *, anchored: bool, cap: float) -> float:
    """Return ``spacing_px``, or as much more as keeps one set on a section of ``shape`` within ``cap`` Gaussians.

    Grids reach over the borders, so that a few dozen Gaussians are the least there can be.
    """
    spacing_px = max(spacing_px, math.sqrt(math.prod(shape) / cap))
    while spacing_px < max(shape):
        margin_px = ANCHORED_MARGIN * spacing_px if anchored else 0.0
        if math.prod(len(_axis(size, spacing_px, margin_px)) for size in shape) <= cap:
            break
        spacing_px *= 1.02
    return spacing_px


def _jittered_grid(shape: tuple[int, int], spacing_px: float, margin_px: float, rng: np.random.Generator) -> FloatArray:
    """Return the centres (N, 2) of a jittered square grid that reaches ``margin_px`` beyond every border."""
    axes = [_axis(size, spacing_px, margin_px) for size in shape]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    return (grid + rng.uniform(-0.3, 0.3, grid.shape) * spacing_px).astype(np.float32)


def _sample(image: FloatArray, mean_px: FloatArray) -> FloatArray:
    return np.asarray(map_coordinates(image, mean_px.T, order=1, mode="nearest"), np.float32)


def anchored_grid(
    sections: FloatArray, *, spacing_px: float, background: float, rng: np.random.Generator
) -> tuple[dict[str, Tensor], list[int]]:
    """Place Gaussians on one jittered grid per section (n, Y, X), for weighted sums over ``background``.

    Returns
    -------
    parameters by name, and offsets (n + 1,): section i owns Gaussians offsets[i] .. offsets[i + 1].
    """
    means, amplitudes, offsets = [], [], [0]
    sigma_px = SCALE_PER_SPACING * spacing_px
    # A grid of density 1/spacing² sums to amplitude · 2πσ² / spacing².
    gain = spacing_px**2 / (2 * math.pi * sigma_px**2)
    for section in sections:
        mean = _jittered_grid(section.shape, spacing_px, ANCHORED_MARGIN * spacing_px, rng)
        means.append(mean)
        amplitudes.append((_sample(section, mean) - background) * gain)
        offsets.append(offsets[-1] + len(mean))
    mean_px = torch.from_numpy(np.concatenate(means))
    return _parameters(mean_px, torch.from_numpy(np.concatenate(amplitudes)), sigma_px, 0.0), offsets


def canonical_grid(
    sections: FloatArray, *, spacing_px: float, opacity: float, rng: np.random.Generator
) -> dict[str, Tensor]:
    """Place Gaussians on one jittered grid for all ``sections`` (n, Y, X), with their mean intensity.

    They are for alpha compositing.
    """
    mean = _jittered_grid(sections.shape[1:], spacing_px, 0.0, rng)
    intensity = _sample(sections.mean(0), mean)
    mean_px = torch.from_numpy(mean)
    logit = math.log(opacity / (1 - opacity))
    return _parameters(mean_px, torch.from_numpy(intensity), SCALE_PER_SPACING * spacing_px, logit)


def _parameters(mean_px: Tensor, intensity: Tensor, sigma_px: float, opacity_logit: float) -> dict[str, Tensor]:
    n = len(mean_px)
    return {
        "mean_px": mean_px,
        "log_scale": torch.full((n, 2), math.log(sigma_px)),
        "angle_rad": torch.zeros(n),
        "opacity_logit": torch.full((n,), opacity_logit),
        "intensity": intensity,
    }
