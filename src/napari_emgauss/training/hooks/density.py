"""Change of the number of members of a set while it is trained: cloned, split, pruned."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from napari_emgauss.training.hooks.average import MovingAverage
from napari_emgauss.training.optimiser import Optimiser
from napari_emgauss.training.protocol import Hook, Sample, SavedState


class MemberChange(Protocol):
    """A change of a set: some members are kept, children are appended."""

    def apply(self, name: str, values: Tensor) -> Tensor:
        """Return the values (N, …) of parameter ``name`` after the change."""
        ...

    def carry(self, name: str, values: Tensor) -> Tensor:
        """Return something kept per member (N, …) after the change; children start with zeros."""
        ...


class DensityRules(Protocol):
    """Rules for when and how a set changes. A member is a row of every parameter of the set's module."""

    gradient_sum: Tensor | None
    count: int

    def observe(self, members: Any) -> None:
        """Gather statistics of the present gradients."""
        ...

    def due(self, iteration: int) -> bool:
        """Tell whether a change is due after ``iteration``."""
        ...

    def propose(self, members: Any, generator: torch.Generator) -> MemberChange:
        """Choose a change and clear the statistics."""
        ...

    def reset_due(self, iteration: int) -> bool:
        """Tell whether `reset` is due after ``iteration``."""
        ...

    def reset(self, members: Any) -> Sequence[str]:
        """Set some parameters back and return their names, whose moments are forgotten."""
        ...


class DensityHook(Hook):
    """Application of `DensityRules` to a set within a model, its optimiser and its moving average.

    Parameters
    ----------
    rules
        Rules for this set.
    model
        Model in training.
    path
        Name of the set's module in the model; it is built from a mapping of its parameters.
    seed
        Seed of what is drawn at random.
    average
        Moving average of the model, whose set changes likewise; children start from the student's values.
    """

    name = "density"

    def __init__(
        self, rules: DensityRules, model: nn.Module, path: str, *, seed: int, average: MovingAverage | None = None
    ) -> None:
        self.rules, self.model, self.path, self.average = rules, model, path, average
        self.generator = torch.Generator().manual_seed(seed)

    def after_backward(self, samples: Sequence[Sample]) -> None:
        """Gather gradients of what was measured."""
        if samples[0].name == "loss":
            self.rules.observe(self._members)

    def after_step(self, iteration: int, n_iterations: int, optimiser: Optimiser) -> None:
        """Change the set, or set it back, when the rules say so."""
        if self.rules.due(iteration):
            self._change(self.rules.propose(self._members, self.generator), optimiser)
        if self.rules.reset_due(iteration):
            for name in self.rules.reset(self._members):
                optimiser.forget_moments(getattr(self._members, name))

    def state(self) -> SavedState:
        """Return the statistics and the random generator's state."""
        tensors = {"generator": self.generator.get_state()}
        if self.rules.gradient_sum is not None:
            tensors["gradient_sum"] = self.rules.gradient_sum
        return tensors, {"count": self.rules.count}

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Continue from a `state`."""
        self.generator.set_state(tensors["generator"])
        gathered, device = tensors.get("gradient_sum"), next(self._members.parameters()).device
        self.rules.gradient_sum = None if gathered is None else gathered.to(device)
        self.rules.count = int(values["count"])

    @property
    def _members(self) -> nn.Module:
        return self.model.get_submodule(self.path)

    def _change(self, change: MemberChange, optimiser: Optimiser) -> None:
        old, new = self._members, _changed(self._members, change)
        for name, parameter in old.named_parameters():
            optimiser.replace(parameter, getattr(new, name), functools.partial(change.carry, name))
        setattr(self.model, self.path, new)
        if self.average is not None and self.average.model is not None:
            followed = _changed(self.average.model.get_submodule(self.path), change)
            setattr(self.average.model, self.path, followed.requires_grad_(requires_grad=False))


def _changed(members: nn.Module, change: MemberChange) -> nn.Module:
    values = {name: change.apply(name, parameter.detach()) for name, parameter in members.named_parameters()}
    build: Any = type(members)
    changed: nn.Module = build(values)
    return changed.to(next(members.parameters()).device)
