"""The parameters of N two-dimensional Gaussians and their activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

PARAMETER_NAMES = ("mean_px", "log_scale", "angle_rad", "opacity_logit", "intensity")


class Gaussians(nn.Module):
    """N Gaussians on a section; `load_state_dict` takes any number of them.

    Attributes
    ----------
    mean_px
        Centres (N, 2) as (y, x) in pixels; pixel centres are at integers.
    log_scale
        Natural logarithm of the standard deviations (N, 2) in pixels along the Gaussian's own axes.
    angle_rad
        Rotation (N,) from the y axis towards the x axis.
    opacity_logit
        Logit (N,) of the opacity.
    intensity
        Amplitude (N,) in the normalised intensity units of training.
    """

    mean_px: nn.Parameter
    log_scale: nn.Parameter
    angle_rad: nn.Parameter
    opacity_logit: nn.Parameter
    intensity: nn.Parameter

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name in PARAMETER_NAMES:
            setattr(self, name, nn.Parameter(values[name].detach().clone().float().contiguous()))

    def __len__(self) -> int:
        return int(self.mean_px.shape[0])

    def values(self) -> dict[str, Tensor]:
        """Return parameters by name, detached views."""
        return {name: getattr(self, name).detach() for name in PARAMETER_NAMES}

    def rows(self, first: int, last: int, *, detached: bool = False) -> dict[str, Tensor]:
        """Return parameters of the Gaussians ``first`` .. ``last`` (excluded) by name; they share this set's memory."""
        values = self.values() if detached else {name: getattr(self, name) for name in PARAMETER_NAMES}
        return {name: value[first:last] for name, value in values.items()}

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *args: Any) -> None:
        """Take as many Gaussians as ``state_dict`` has, if its tensors agree on how many."""
        own = dict(self.named_parameters(recurse=False))
        held = {name: state_dict[prefix + name].shape for name in own if prefix + name in state_dict}
        if len(held) == len(own) and all(shape[1:] == own[name].shape[1:] for name, shape in held.items()):
            counts = {shape[:1] for shape in held.values()}
            if len(counts) == 1 and counts != {self.mean_px.shape[:1]}:
                for name, parameter in own.items():
                    parameter.grad = None
                    parameter.data = parameter.new_empty(held[name])
        super()._load_from_state_dict(state_dict, prefix, *args)


def conics_from(
    log_scale: Float[Tensor, "n 2"], angle_rad: Float[Tensor, " n"], *, blur_px: float = 0.0
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"]]:
    """Return (yy, yx, xx) of (Σ + blur²·I)⁻¹ and the peak's loss √(det Σ / det(Σ + blur²·I)).

    Σ = R diag(s²) Rᵀ. Convolving a Gaussian of unit peak with an isotropic one of ``blur_px`` gives the returned
    conic, scaled by the second value.
    """
    variance = torch.exp(2 * log_scale)
    blurred = variance + blur_px**2
    inverse = 1 / blurred
    cos, sin = torch.cos(angle_rad), torch.sin(angle_rad)
    a, b = inverse.unbind(-1)
    conics = torch.stack([cos * cos * a + sin * sin * b, cos * sin * (a - b), sin * sin * a + cos * cos * b], dim=-1)
    loss = torch.ones_like(angle_rad) if blur_px == 0 else torch.sqrt((variance / blurred).prod(-1))
    return conics, loss
