"""Objective of one half: Gaussians whose map, and whose projections, agree with its particles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.sums import Coefficients, NormalEquations, coefficients
from napari_emgauss.forward.projections import draw_projection, projected
from napari_emgauss.methods.gem.config import GemConfig
from napari_emgauss.methods.gem.model import HalfModel, model_values
from napari_emgauss.methods.gem.stopping import OtherHalf
from napari_emgauss.particles import Particles
from napari_emgauss.training import Descent, Hook, PlanePlacement, Preview, Rate, Schedule, Stage
from napari_emgauss.training.optimiser import Optimiser

SHAPE, LIKELIHOOD, IMAGES = "shape", "likelihood", "images"
LOSS = "loss"
N_GAUSSIANS = "n_gaussians"
MEAN_RATE_PX, SCALE_RATE, QUATERNION_RATE, AMPLITUDE_RATE = 0.05, 0.02, 0.02, 0.05
"""Rates at the start; the last is a part of the mean amplitude."""
FALL = 0.05
"""Part of a rate that is left at the end."""


def gem_schedule(config: GemConfig, n_images: int, amplitude: float = 1.0) -> Schedule:
    """Return the stages and rates for a half of ``n_images`` whose Gaussians begin with an ``amplitude``."""
    rates = {"gaussians.mean": MEAN_RATE_PX, "gaussians.amplitude": AMPLITUDE_RATE * amplitude}
    if config.train_shapes:
        rates |= {"gaussians.log_scale": SCALE_RATE, "gaussians.quaternion": QUATERNION_RATE}
    n_batches = math.ceil(config.image_passes * n_images / config.batch_images)
    stages = (
        Stage(name=SHAPE, iterations=config.shape_iterations),
        Stage(name=LIKELIHOOD, iterations=config.likelihood_iterations),
        Stage(name=IMAGES, iterations=n_batches),
    )
    return Schedule(stages=stages, rates={name: Rate(rate, FALL * rate) for name, rate in rates.items()})


@dataclass(frozen=True)
class MapSample:
    """The map as a whole, or a batch of images where ``indices`` names some."""

    indices: tuple[int, ...] = ()
    name: str = LOSS
    weight: float = 1.0


class _Quadratic(torch.autograd.Function):
    """(map) -> squared difference from all images, per image."""

    @staticmethod
    def forward(ctx: Any, volume: Tensor, equations: NormalEquations) -> Tensor:
        values = volume.detach().numpy()
        applied = equations.apply(values)
        ctx.gradient = torch.from_numpy(2 * (applied - equations.b) / equations.n_images)
        return torch.tensor(equations.loss(values, applied), dtype=torch.float64)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.gradient * grad.to(ctx.gradient.dtype), None


class ScaleLimits(Hook):
    """Keeps standard deviations within the limits of the settings."""

    name = "limits"

    def __init__(self, config: GemConfig, model: HalfModel) -> None:
        self.low, self.high = math.log(config.smallest_px), math.log(config.largest_px)
        self.model = model

    @torch.no_grad()
    def after_step(self, iteration: int, n_iterations: int, optimiser: Optimiser) -> None:
        """Clamp."""
        self.model.gaussians.log_scale.clamp_(self.low, self.high)


class MapObjective:
    """What the loop needs to train one half.

    Parameters
    ----------
    config
        Settings.
    model
        The half's model at its start.
    particles, indices, weights
        The half's particles, and one over the variance of each coefficient per optics group.
    posterior
        Normal equations of the half with the prior.
    target
        Their most probable map of voxels.
    others
        Normal equations of the other half, which decide when to stop.
    """

    def __init__(
        self,
        config: GemConfig,
        model: HalfModel,
        *,
        particles: Particles,
        indices: np.ndarray,
        weights: FloatArray,
        posterior: NormalEquations,
        target: FloatArray,
        others: NormalEquations,
        seed: int,
    ) -> None:
        self.config, self.model, self.seed = config, model, seed
        self.particles, self.indices, self.weights = particles, indices, weights
        self.posterior, self.target, self.others = posterior, torch.from_numpy(target), others
        amplitude = float(model.gaussians.amplitude.detach().abs().mean())
        self.schedule = gem_schedule(config, len(indices), amplitude)
        self.n_coefficients: int = 2 * int(weights.shape[1])
        self._target_power = float((self.target.double() ** 2).sum()) or 1.0
        self.stopping = OtherHalf(model, others, first=config.shape_iterations // 2)
        self.hooks: list[Hook] = [ScaleLimits(config, model), self.stopping]

    def solver(self) -> Descent:
        """Return a solver at its start."""
        return Descent(self)

    def parameters(self) -> dict[str, Tensor]:
        """Return the Gaussians' parameters by name."""
        return dict(self.model.named_parameters())

    def sample(self, iteration: int, rng: np.random.Generator) -> Sequence[MapSample]:
        """Choose the whole map, or a batch of images."""
        stage = self.schedule.stage(iteration).name
        if stage != IMAGES:  # a map of voxels is not what was measured
            return [MapSample(name=SHAPE if stage == SHAPE else LOSS)]
        n = min(self.config.batch_images, len(self.indices))
        return [MapSample(tuple(int(i) for i in rng.choice(self.indices, n, replace=False)))]

    def loss(self, samples: Sequence[MapSample], iteration: int) -> Sequence[Tensor]:
        """Return the squared difference from the voxels' map (shape), or from the images per coefficient."""
        name = self.schedule.stage(iteration).name
        if name == SHAPE:
            difference = self.model.volume() - self.target
            return [(difference.double() ** 2).sum() / self._target_power]
        if name == LIKELIHOOD:
            return [_Quadratic.apply(self.model.volume(), self.posterior) / self.n_coefficients]  # type: ignore[no-untyped-call]
        return [self._images_loss(sample.indices) for sample in samples]

    def _images_loss(self, indices: tuple[int, ...]) -> Tensor:
        images, terms = coefficients(self.particles, indices), self.model.terms()
        drawn = torch.stack(
            [
                draw_projection(projected(terms, self.particles.rotations[i]), self.particles.box_px)
                for i in images.indices
            ]
        )
        spectra: Tensor = torch.fft.rfft2(torch.fft.ifftshift(drawn, dim=(-2, -1)))
        loss: Tensor = self._difference(spectra, images).mean().double() / self.n_coefficients
        return loss

    def _difference(self, spectra: Tensor, images: Coefficients) -> Tensor:
        rows, columns = images.xy[:, 1] % self.particles.box_px, images.xy[:, 0]
        predicted = spectra[:, rows, columns] * torch.from_numpy(images.transfer)
        weights = torch.from_numpy(self.weights[self.particles.optics_group[images.indices]])
        squares: Tensor = weights * (predicted - torch.from_numpy(images.values)).abs() ** 2
        total: Tensor = 2 * squares.sum(-1)
        return total

    def scores(self) -> Mapping[str, float]:
        """Return the number of Gaussians, and the loss on the other half's images, per coefficient."""
        return {
            N_GAUSSIANS: float(len(self.model)),
            "other_half": self.others.loss(self.model.map()) / self.n_coefficients,
        }

    def preview(self, wanted: tuple[float, ...] | None) -> Preview | None:
        """Draw all of the half's map; wherever one looks, it is at hand."""
        return Preview(image=self.model.map(), placement=PlanePlacement(origin=(0.0, 0.0, 0.0)), label="map so far")

    def values(self) -> dict[str, Any]:
        """Return the plain values that belong to the model's tensors."""
        return model_values(self.model)
