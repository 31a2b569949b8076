"""Adam over named groups of parameters, whose members may change in number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from napari_emgauss.runtime.adam import Adam
from napari_emgauss.runtime.triton import load_triton
from napari_emgauss.training.schedule import Schedule

EPSILON = 1e-15
"""Adam's ε of 3DGS: gradients of a mean over many pixels are tiny."""


class Optimiser:
    """Adam with one group per rate of a schedule.

    Parameters
    ----------
    parameters
        What is moved, by name. Adam passes over those without a gradient: what was not drawn costs nothing.
    schedule
        A rate's prefix selects the parameters of its group.
    """

    def __init__(self, parameters: Mapping[str, Tensor], schedule: Schedule) -> None:
        self.parameters, self.schedule = dict(parameters), schedule
        groups: list[dict[str, Any]] = []
        for prefix in schedule.rates:
            chosen = [p for name, p in parameters.items() if name.startswith(prefix)]
            if chosen and schedule.rates[prefix].start > 0:
                groups.append({"params": chosen, "name": prefix, "lr": 0.0})
        if not groups:
            raise ValueError(
                f"nothing is trained: no parameter of {', '.join(parameters)} begins with a rate above 0 of "
                f"{', '.join(schedule.rates)}. Give a rate to one."
            )
        load_triton()
        moved = [parameter for group in groups for parameter in group["params"]]
        self._fused = all(p.device.type == "cuda" and p.dtype == torch.float32 for p in moved)
        """Whether a step is one operation, which counts the steps on the GPU too."""
        self.adam = Adam(groups, eps=EPSILON, fused=self._fused)

    def begin(self, iteration: int) -> None:
        """Set the rates of ``iteration``, let rest what rests in its stage, and forget the gradients."""
        stage = self.schedule.stage(iteration)
        for name, parameter in self.parameters.items():
            if any(other.rests(name) for other in self.schedule.stages):
                parameter.requires_grad_(not stage.rests(name))
        for group in self.adam.param_groups:
            group["lr"] = self.schedule.rate(group["name"], iteration)
        self.adam.zero_grad()

    def step(self) -> None:
        """Move the parameters."""
        self.adam.step()

    def replace(self, old: nn.Parameter, new: nn.Parameter, carry: Callable[[Tensor], Tensor]) -> None:
        """Move ``new`` from now on instead of ``old``, with its moments as ``carry`` makes them."""
        self.parameters = {name: new if p is old else p for name, p in self.parameters.items()}
        for group in self.adam.param_groups:
            group["params"] = [new if p is old else p for p in group["params"]]
        state = self.adam.state.pop(old, None)
        if state:
            self.adam.state[new] = {k: carry(v) if k.startswith("exp_avg") else v for k, v in state.items()}

    def forget_moments(self, parameter: nn.Parameter) -> None:
        """Set the moments of ``parameter`` to zero."""
        for key, value in self.adam.state.get(parameter, {}).items():
            if key.startswith("exp_avg"):
                value.zero_()

    def state(self) -> dict[str, Tensor]:
        """Return Adam's state as flat tensors, named after the parameters."""
        return {
            f"{name}:{key}": torch.as_tensor(value)
            for name, p in self.parameters.items()
            for key, value in self.adam.state.get(p, {}).items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a `state`; raises ``KeyError`` when it is of other parameters."""
        for key, value in state.items():
            name, _, field = key.rpartition(":")
            parameter = self.parameters[name]
            counts = field == "step" and not self._fused
            self.adam.state.setdefault(parameter, {})[field] = value.cpu() if counts else value.to(parameter.device)
