"""Steps along gradients: the solver of most objectives."""

from __future__ import annotations

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

    def step(self, samples: Sequence[Any], iteration: int) -> Sequence[Tensor | float]:
        """Make one step of the optimiser: an iteration for each sample. A GPU is not waited for."""
        objective = self.objective
        self.optimiser.begin(iteration)
        losses = objective.loss(samples, iteration)
        if len(losses) != len(samples):
            raise ValueError(f"loss must give a scalar for each of {len(samples)} samples, got {len(losses)}.")
        for hook in objective.hooks:
            hook.before_backward(samples, losses)
        weights = [loss.new_full((), sample.weight) for loss, sample in zip(losses, samples, strict=True)]
        torch.autograd.backward(list(losses), weights)
        for hook in objective.hooks:
            hook.after_backward(samples)
        self.optimiser.step()
        for hook in objective.hooks:
            hook.after_step(iteration, len(samples), self.optimiser)
        return [loss.detach() for loss in losses]

    def state(self) -> dict[str, Tensor]:
        """Return the optimiser's state."""
        return self.optimiser.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a `state`."""
        self.optimiser.restore(state)
