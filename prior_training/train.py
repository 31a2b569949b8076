"""Training of the prior on an isotropic volume."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_emgauss.interpolation.prior.network import PriorConfig, PriorNetwork
from prior_training.batches import Examples, ExampleSource, Volume


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a prior is trained."""

    network: PriorConfig = PriorConfig()
    steps: int = 30_000
    batch: int = 64
    side_px: int = 128
    n_phases: int = 3
    rate: float = 1e-3
    """Highest learning rate of AdamW; it rises for `warmup` steps and then falls linearly to zero."""
    warmup: int = 300
    average: float = 0.999
    """Decay per step of the average of the weights that ships."""
    ssim_weight: float = 0.0
    """Weight of 1 - SSIM beside the squared error in standard deviations."""
    seed: int = 0


class Trainer:
    """One training; `run` goes on until its steps, or its seconds, are over."""

    def __init__(self, recipe: Recipe, data: Volume) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device = recipe, data.device
        self.network = PriorNetwork(recipe.network).to(data.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).requires_grad_(requires_grad=False)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), recipe.rate, weight_decay=1e-3)
        self.source = ExampleSource(
            data, reach=recipe.network.reach, batch=recipe.batch, side_px=recipe.side_px, n_phases=recipe.n_phases,
            seed=recipe.seed,
        )  # fmt: skip
        self.step = 0

    def run(self, *, until: Callable[[int], float], tell: Callable[[int, float], None], every: int = 500) -> None:
        """Train until ``until(step)``, the share that is done, reaches 1."""
        total = torch.zeros((), device=self.device)
        for done in self._shares(until):
            rate = self.recipe.rate * min(1.0, (self.step + 1) / self.recipe.warmup) * (1 - done)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            total += self._step(self.source.draw())
            self.step += 1
            if self.step % every == 0:
                tell(self.step, float(total) / every)
                total.zero_()

    def _shares(self, until: Callable[[int], float]) -> Iterator[float]:
        while (done := until(self.step)) < 1:
            yield done

    def _step(self, examples: Examples) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16):
            coefficients, motion = self.network.analyse(
                examples.sections.contiguous(memory_format=torch.channels_last), examples.gaps_px
            )
        drawn = self.network.compose(
            examples.sections, coefficients.float(), motion, examples.gaps_px, examples.phases
        )
        loss = squared = functional.mse_loss(drawn, examples.hidden)
        if self.recipe.ssim_weight:
            loss = loss + self.recipe.ssim_weight * (1 - _ssim(drawn, examples.hidden))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0, foreach=True)
        self.optimiser.step()
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
        return squared.detach()

    def state(self) -> dict[str, object]:
        """All that a later run needs to go on."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "noise": self.source.noise.get_state(),
            "rng": json.dumps(self.source.rng.bit_generator.state),
        }

    def restore(self, state: dict[str, object]) -> None:
        """Go on from a `state`."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])
        self.source.noise.set_state(state["noise"].cpu())
        self.source.rng.bit_generator.state = json.loads(state["rng"])


def _ssim(first: Tensor, second: Tensor) -> Tensor:
    """Mean SSIM with a Gaussian window, for intensities in standard deviations; 7.5 of them are taken for the range."""
    taps = torch.exp(-0.5 * (torch.arange(-5, 6, device=first.device) / 1.5) ** 2)
    taps = taps / taps.sum()

    def mean(images: Tensor) -> Tensor:
        flat = images.flatten(0, 1)[:, None]
        return functional.conv2d(functional.conv2d(flat, taps[None, None, :, None]), taps[None, None, None, :])

    c1, c2 = (0.01 * 7.5) ** 2, (0.03 * 7.5) ** 2
    mu1, mu2 = mean(first), mean(second)
    var1, var2 = mean(first**2) - mu1**2, mean(second**2) - mu2**2
    covariance = mean(first * second) - mu1 * mu2
    return ((2 * mu1 * mu2 + c1) * (2 * covariance + c2) / ((mu1**2 + mu2**2 + c1) * (var1 + var2 + c2))).mean()
