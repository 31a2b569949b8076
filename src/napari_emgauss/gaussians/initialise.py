"""Gaussians to start a training from: on a jittered grid, or spread evenly with a density that follows contrast."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.runtime.jit import njit_nogil
from napari_emgauss.runtime.threads import at_once, for_each

SCALE_PER_SPACING = 0.6
"""Standard deviation over grid spacing: neighbours overlap enough to tile the plane without ripples."""

ANCHORED_MARGIN = 1.0
"""Spacings by which anchored Gaussians reach beyond the section, so that its borders are not drawn dimmer."""

CONTRAST_PX, EVENED_PX = 1.5, 2.0
"""Gaussian σ of the neighbourhood in which contrast is measured, and over which the density that follows is evened."""
FLAT_CONTRAST = 0.02
"""Standard deviation, in normalised intensities, below which a place counts as flat."""
DENSITY_RANGE = (0.25, 4.0)
"""Least and largest density over the mean one."""


def _axis(size: int, spacing_px: float) -> NDArray[np.float64]:
    return np.arange(0.0, size - 1 + spacing_px, spacing_px)


def _margin_px(spacing_px: float) -> int:
    return math.ceil(ANCHORED_MARGIN * spacing_px)


def spacing_for(shape: tuple[int, int], spacing_px: float, *, anchored: bool, cap: float) -> float:
    """Return ``spacing_px``, or as much more as keeps one set on a section of ``shape`` within ``cap`` Gaussians.

    Grids reach over the borders, so that a few dozen Gaussians are the least there can be.
    """
    spacing_px = max(spacing_px, math.sqrt(math.prod(shape) / cap))
    while spacing_px < max(shape):
        if anchored:
            height, width = (size + 2 * _margin_px(spacing_px) for size in shape)
            # Where the density is cut off at the borders, a Gaussian more or less comes out.
            n = height * width / spacing_px**2 + 0.5 * (height + width) / spacing_px
        else:
            n = math.prod(len(_axis(size, spacing_px)) for size in shape)
        if n <= cap:
            break
        spacing_px *= 1.02
    return spacing_px


def _jittered_grid(shape: tuple[int, int], spacing_px: float, rng: np.random.Generator) -> FloatArray:
    """Return the centres (N, 2) of a jittered square grid."""
    axes = [_axis(size, spacing_px) for size in shape]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    return (grid + rng.uniform(-0.3, 0.3, grid.shape) * spacing_px).astype(np.float32)


def density_for(section: FloatArray, spacing_px: float) -> NDArray[np.float64]:
    """Return Gaussians per pixel (Y, X): 1 / spacing² in the mean, and more where there is more contrast."""
    mean = gaussian_filter(section, CONTRAST_PX)
    variance = np.maximum(gaussian_filter(section * section, CONTRAST_PX) - mean * mean, 0)
    relative = gaussian_filter(np.sqrt(np.sqrt(variance) + FLAT_CONTRAST), EVENED_PX)
    relative = np.clip(relative / relative.mean(), *DENSITY_RANGE).astype(np.float64)
    return np.asarray(np.minimum(relative / (relative.mean() * spacing_px**2), 1.0))


@njit_nogil
def dithered(density: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return evenly spaced pixels (N, 2) by error diffusion of a ``density`` (Y, X) up to 1 (Floyd & Steinberg 1976).

    Rows are walked to and fro, and what rounding to a whole Gaussian leaves is passed on to the pixels around.
    """
    height, width = density.shape
    left, chosen = density.copy(), np.zeros(density.shape, np.bool_)
    for y in range(height):
        ahead = 1 if y % 2 == 0 else -1
        for k in range(width):
            x = k if ahead == 1 else width - 1 - k
            chosen[y, x] = left[y, x] >= 0.5
            rest = left[y, x] - (1.0 if chosen[y, x] else 0.0)
            if 0 <= x + ahead < width:
                left[y, x + ahead] += rest * 7 / 16
            if y + 1 < height:
                left[y + 1, x] += rest * 5 / 16
                if 0 <= x - ahead < width:
                    left[y + 1, x - ahead] += rest * 3 / 16
                if 0 <= x + ahead < width:
                    left[y + 1, x + ahead] += rest / 16
    return np.argwhere(chosen).astype(np.float64)


def _sample(image: FloatArray, mean_px: FloatArray) -> FloatArray:
    return np.asarray(map_coordinates(image, mean_px.T, order=1, mode="nearest"), np.float32)


def anchored_grid(
    sections: FloatArray, *, spacing_px: float, background: float, rng: np.random.Generator
) -> tuple[dict[str, Tensor], list[int]]:
    """Place one set of Gaussians on each section (n, Y, X), denser where there is contrast.

    They are for weighted sums over ``background``.

    Returns
    -------
    parameters by name, and offsets (n + 1,): section i owns Gaussians offsets[i] .. offsets[i + 1].
    """
    n = len(sections)
    margin_px = _margin_px(spacing_px)
    # Gaussians of this width at a density of 1 / spacing² sum to their amplitude times 2πσ² / spacing².
    gain = 1 / (2 * math.pi * SCALE_PER_SPACING**2)
    placed: dict[int, tuple[FloatArray, NDArray[np.float64]]] = {}
    found: dict[int, tuple[FloatArray, FloatArray, FloatArray]] = {}

    def place(k: int) -> None:
        density = density_for(np.pad(sections[k], margin_px, mode="edge"), spacing_px)
        placed[k] = density.astype(np.float32), dithered(density)

    def measure(k: int) -> None:
        density, pixels = placed.pop(k)
        centres = (pixels + jitter[k]).astype(np.float32)
        sigma_px = SCALE_PER_SPACING / np.sqrt(_sample(density, centres))
        mean = centres - np.float32(margin_px)
        found[k] = mean, (_sample(sections[k], mean) - background) * gain, np.log(sigma_px)

    group = at_once(sections[0].size)
    for first in range(0, n, group):
        some = range(first, min(first + group, n))
        for_each(place, some)
        jitter = {k: rng.uniform(-0.5, 0.5, placed[k][1].shape) for k in some}
        for_each(measure, some)
    means, amplitudes, log_sigmas = zip(*(found[k] for k in range(n)), strict=True)
    offsets = [0, *np.cumsum([len(mean) for mean in means]).tolist()]
    mean_px, intensity, log_sigma = (torch.from_numpy(np.concatenate(p)) for p in (means, amplitudes, log_sigmas))
    return _parameters(mean_px, intensity, log_sigma, 0.0), offsets


def canonical_grid(
    sections: FloatArray, *, spacing_px: float, opacity: float, rng: np.random.Generator
) -> dict[str, Tensor]:
    """Place Gaussians on one jittered grid for all ``sections`` (n, Y, X), with their mean intensity.

    They are for alpha compositing.
    """
    mean = _jittered_grid(sections.shape[1:], spacing_px, rng)
    intensity = _sample(sections.mean(0), mean)
    mean_px = torch.from_numpy(mean)
    logit = math.log(opacity / (1 - opacity))
    log_sigma = torch.full((len(mean_px),), math.log(SCALE_PER_SPACING * spacing_px))
    return _parameters(mean_px, torch.from_numpy(intensity), log_sigma, logit)


def _parameters(mean_px: Tensor, intensity: Tensor, log_sigma: Tensor, opacity_logit: float) -> dict[str, Tensor]:
    n = len(mean_px)
    return {
        "mean_px": mean_px,
        "log_scale": log_sigma[:, None].repeat(1, 2),
        "angle_rad": torch.zeros(n),
        "opacity_logit": torch.full((n,), opacity_logit),
        "intensity": intensity,
    }
