"""The map of a training that goes on: what is known of it so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from napari_emgauss._types import FloatArray
from napari_emgauss.gaussians.solid import SolidGaussians
from napari_emgauss.io.particles.density_map import DensityMap
from napari_emgauss.methods.gem.model import HalfModel, predicted_images
from napari_emgauss.methods.gem.resolution import MapResolution, map_resolution
from napari_emgauss.particles import Particles


class MapDraft:
    """A map in training; it becomes better in place while other threads read it.

    At first nothing is known of it. Then there is the plain map of the images, and then Gaussians of one half and of
    both.

    Parameters
    ----------
    particles
        What is trained on.
    """

    def __init__(self, particles: Particles) -> None:
        self.particles = particles
        self._plain: tuple[FloatArray, FloatArray] | None = None
        self._filtered: FloatArray | None = None
        self._halves: tuple[HalfModel | None, HalfModel | None] = None, None

    def begin(self, particles: Particles, filtered: FloatArray, plain: tuple[FloatArray, FloatArray]) -> None:
        """Take the particles with their sign, the plain map filtered per shell, and its halves unfiltered."""
        self.particles, self._filtered, self._plain = particles, filtered, plain

    @torch.no_grad()
    def learned(self, half: int, model: HalfModel) -> None:
        """Take a copy of what a half has learned."""
        gaussians = SolidGaussians(model.gaussians.values())
        copy = HalfModel(gaussians, model.box_px, model.operators, positive=model.positive)
        copy.requires_grad_(requires_grad=False)
        first, second = self._halves
        self._halves = (copy, second) if half == 0 else (first, copy)

    @property
    def models(self) -> list[HalfModel]:
        """Gaussians of the halves that have begun; those of one never change."""
        return [model for model in self._halves if model is not None]

    def map(self) -> DensityMap | None:
        """Return the mean of the halves that have begun, or else the plain map; None before the images were read."""
        models = self.models
        values = np.mean([model.map() for model in models], axis=0) if models else self._filtered
        return None if values is None else DensityMap(values, self.particles.box_pixel_size_angstrom)

    def resolution(self) -> MapResolution | None:
        """Return the correlations that are known; None before the images were read."""
        plain, (first, second) = self._plain, self._halves
        if plain is None:
            return None
        maps = None if first is None else first.map(), None if second is None else second.map()
        return map_resolution(maps, plain, self.particles.box_pixel_size_angstrom)

    def images(self, particles: Particles, indices: Sequence[int]) -> FloatArray | None:
        """Return what some particles would show without noise (k, box, box); None before Gaussians were trained."""
        models = self.models
        return predicted_images(models, particles, indices) if models else None
