"""Steps along gradients: the solver of most objectives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from napari_emgauss.training.optimiser import Optimiser
from napari_emgauss.training.protocol import Descended


class Descent:
    """Solver that follows the gradients of an objective by Adam, and calls its hooks.

    Parameters
    ----------
    objective
        Gives the losses and the parameters.
    """

    def __init__(self, objective: Descended) -> None:
        self.objective = objective
        self.optimiser = Optimiser(objective.parameters(), objective.schedule)

    def step(self, samples: Sequence[Any], iteration: int) -> Sequence[float]:
        """Make one step of the optimiser: an iteration for each sample."""
        objective = self.objective
        self.optimiser.begin(iteration)
        losses = objective.loss(samples, iteration)
        if len(losses) != len(samples):
            raise ValueError(f"loss must give a scalar for each of {len(samples)} samples, got {len(losses)}.")
        for hook in objective.hooks:
            hook.before_backward(samples, losses)
        weights = [loss.new_tensor(sample.weight) for loss, sample in zip(losses, samples, strict=True)]
        torch.autograd.backward(list(losses), weights)
        values = [float(loss.detach()) for loss in losses]
        for value in values:
            self.check_finite(value, iteration)
        for hook in objective.hooks:
            hook.after_backward(samples)
        self.optimiser.step()
        for hook in objective.hooks:
            hook.after_step(iteration, len(samples), self.optimiser)
        return values

    def state(self) -> dict[str, Tensor]:
        """Return the optimiser's state."""
        return self.optimiser.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a `state`."""
        self.optimiser.restore(state)

    def check_finite(self, loss: float, iteration: int) -> None:
        """Raise ``FloatingPointError`` for a loss of ``iteration`` that is not finite."""
        if not math.isfinite(loss):
            stage = self.objective.schedule.stage(iteration).name
            raise FloatingPointError(
                f"the loss became {loss} at iteration {iteration} of stage {stage!r}; it must stay finite. "
                "Lower the learning rates."
            )
