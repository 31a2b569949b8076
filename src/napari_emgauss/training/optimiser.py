"""Adam over named parameter groups whose Gaussians may change in number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from napari_emgauss.forward import SectionModel
from napari_emgauss.forward.fields import Rows
from napari_emgauss.gaussians import Gaussians
from napari_emgauss.gaussians.density import Surgery
from napari_emgauss.runtime.triton import load_triton
from napari_emgauss.training.schedule import Schedule

EPSILON = 1e-15
"""Adam's ε of 3DGS: gradients of a mean over many pixels are tiny."""


def trained_parameters(model: SectionModel, sets: Sequence[Rows] | None) -> dict[str, Tensor]:
    """Parameters of ``model`` by name, with the ``sets`` that its Gaussians were split into in their place.

    Adam passes over parameters without a gradient: those of sets that were not drawn cost nothing and stay put.
    """
    named: dict[str, Tensor] = dict(model.named_parameters())
    if sets is None:
        return named
    field = {name: parameter for name, parameter in named.items() if not name.startswith("gaussians.")}
    own = {f"gaussians.{name}/{k}": parameter for k, rows in enumerate(sets) for name, parameter in rows.items()}
    return own | field


def make_adam(parameters: Mapping[str, Tensor], schedule: Schedule) -> torch.optim.Adam:
    """One group per rate; the group's ``name`` is the prefix that selects its parameters."""
    groups = []
    for prefix in schedule.rates:
        chosen = [p for name, p in parameters.items() if name.startswith(prefix)]
        if chosen and schedule.rates[prefix].start > 0:
            groups.append({"params": chosen, "name": prefix, "lr": 0.0})
    load_triton()
    return torch.optim.Adam(groups, eps=EPSILON)


def set_rates(adam: torch.optim.Adam, schedule: Schedule, iteration: int) -> None:
    """Give every group its learning rate for ``iteration``."""
    for group in adam.param_groups:
        group["lr"] = schedule.rate(group["name"], iteration)


def apply_surgery(model: SectionModel, adam: torch.optim.Adam, surgery: Surgery) -> None:
    """Replace the Gaussians and carry Adam's moments of the kept ones over; children start with none."""
    old = model.gaussians
    new = Gaussians({name: surgery.apply(name, value) for name, value in old.values().items()}).to(old.mean_px.device)
    for group in adam.param_groups:
        group["params"] = [_swap(adam, p, old, new, surgery) for p in group["params"]]
    model.gaussians = new


def _swap(
    adam: torch.optim.Adam, parameter: nn.Parameter, old: Gaussians, new: Gaussians, surgery: Surgery
) -> nn.Parameter:
    name = next((n for n, p in old.named_parameters() if p is parameter), None)
    if name is None:
        return parameter
    state = adam.state.pop(parameter, None)
    replacement: nn.Parameter = getattr(new, name)
    if state:
        zeros = {name: torch.zeros_like(surgery.children[name])}
        moments = Surgery(surgery.keep, zeros)
        adam.state[replacement] = {k: _carry(v, k, name, moments) for k, v in state.items()}
    return replacement


def _carry(value: Tensor, key: str, name: str, moments: Surgery) -> Tensor:
    return moments.apply(name, value) if key.startswith("exp_avg") else value


def adam_state(adam: torch.optim.Adam, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adam's state as flat tensors, named after the ``parameters``."""
    return {
        f"{name}:{key}": torch.as_tensor(v)
        for name, p in parameters.items()
        for key, v in adam.state.get(p, {}).items()
    }


def load_adam_state(adam: torch.optim.Adam, parameters: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Inverse of `adam_state`."""
    for key, value in state.items():
        name, _, field = key.rpartition(":")
        parameter = parameters[name]
        adam.state[parameter][field] = value if field == "step" else value.to(parameter.device)
