"""Gaussians that a training begins with."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.map_estimate import scaled_to
from napari_emgauss.forward.backprojection.sums import NormalEquations
from napari_emgauss.gaussians.solid import SolidGaussians
from napari_emgauss.methods.gem.config import GemConfig
from napari_emgauss.methods.gem.model import HalfModel
from napari_emgauss.particles import Vector

FEWEST, MOST = 300, 12000
PER_VOXEL = 0.75
"""Gaussians per voxel that the molecule fills."""


def filled_voxels(density: FloatArray) -> float:
    """Return how many voxels a map fills: (Σ|v|)² / Σv², the number of equal voxels that would give the same."""
    squares = float((density.astype(np.float64) ** 2).sum())
    return float(np.abs(density).sum(dtype=np.float64)) ** 2 / squares if squares > 0 else 0.0


def start_model(
    config: GemConfig,
    target: FloatArray,
    mask: FloatArray,
    equations: NormalEquations,
    operators: Vector,
    rng: np.random.Generator,
    *,
    positive: bool,
    share: float = 1.0,
) -> HalfModel:
    """Return round Gaussians where the blurred back-projection of a half is dense, all of one density.

    Unless the settings name it, their number is a ``share`` of what the voxels ask for that the molecule fills. The one
    density explains the images best.
    """
    blurred = gaussian_filter(target, config.start_smoothing_px) * mask
    magnitude = np.maximum(blurred, 0) if positive else np.abs(blurred)
    if not magnitude.any():
        magnitude = mask
    asked = min(PER_VOXEL * filled_voxels(magnitude), MOST)
    n_wanted = config.n_gaussians or max(int(share * asked), FEWEST)
    n_unit = max(n_wanted // len(operators), 1)
    chances = (magnitude / magnitude.sum(dtype=np.float64)).ravel().astype(np.float64)
    n = min(n_unit, int(np.count_nonzero(chances)))
    chosen = rng.choice(chances.size, n, replace=False, p=chances / chances.sum())
    box = target.shape[0]
    places = np.stack(np.unravel_index(chosen, target.shape), 1) - box // 2 + rng.uniform(-0.5, 0.5, (n, 3))
    signs = np.sign(blurred.ravel()[chosen]) if not positive else np.ones(n)
    signs[signs == 0] = 1
    gaussians = SolidGaussians.round(
        torch.from_numpy(places.astype(np.float32)), config.start_px, torch.from_numpy(signs.astype(np.float32))
    )
    model = HalfModel(gaussians, box, operators, positive=positive)
    # Without scaling, what the mean of the target would be with densities of its own height.
    factor = scaled_to(model.map(), equations) if config.scale_start else float(np.abs(blurred).max())
    with torch.no_grad():
        gaussians.amplitude.mul_(abs(factor) or 1.0)
    return model
