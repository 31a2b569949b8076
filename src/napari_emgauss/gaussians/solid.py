"""The parameters of N three-dimensional Gaussians and their activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from napari_emgauss.gaussians.algebra import GaussianTerms

SOLID_COLUMNS: dict[str, tuple[int, ...]] = {"mean": (3,), "log_scale": (3,), "quaternion": (4,), "amplitude": ()}
"""Parameters by name, with the shape that each has for one Gaussian."""
LARGEST = 1e15
"""Parameters of a file are within ± this: their squares, and sums of a volume of them, are far from float32's end."""
LOG_SCALE_LIMIT = 12.0
"""Standard deviations stay within e^-12 .. e^12 of the unit of length, whatever the parameters: Σ is never singular."""


class SolidGaussians(nn.Module):
    """N Gaussians in space; `load_state_dict` takes any number of them.

    Axes are in the caller's order and lengths in the caller's unit.

    Attributes
    ----------
    mean
        Centres (N, 3).
    log_scale
        Natural logarithm of the standard deviations (N, 3) along the Gaussian's own axes.
    quaternion
        Rotation (N, 4) of these axes, real part first; of any length but zero.
    amplitude
        Peak (N,), of either sign.
    """

    mean: nn.Parameter
    log_scale: nn.Parameter
    quaternion: nn.Parameter
    amplitude: nn.Parameter

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name in SOLID_COLUMNS:
            setattr(self, name, nn.Parameter(values[name].detach().clone().float().contiguous()))

    @classmethod
    def round(
        cls, mean: Float[Tensor, "n 3"], scale: Float[Tensor, "n"] | float, amplitude: Float[Tensor, "n"]
    ) -> SolidGaussians:
        """Return Gaussians of the standard deviation ``scale`` in all directions."""
        scales = torch.as_tensor(scale, dtype=mean.dtype).expand(len(mean))
        upright = torch.zeros(len(mean), 4)
        upright[:, 0] = 1
        log_scale = torch.log(scales)[:, None].expand(-1, 3)
        return cls({"mean": mean, "log_scale": log_scale, "quaternion": upright, "amplitude": amplitude})

    def __len__(self) -> int:
        return int(self.mean.shape[0])

    def values(self) -> dict[str, Tensor]:
        """Return parameters by name, detached views."""
        return {name: getattr(self, name).detach() for name in SOLID_COLUMNS}

    def covariance(self) -> Float[Tensor, "n 3 3"]:
        """Return Σ = R diag(s²) Rᵀ."""
        return covariance_from(self.log_scale, self.quaternion)

    def terms(self) -> GaussianTerms:
        """Return the Gaussians as terms of a sum, differentiable in all parameters."""
        return GaussianTerms(self.mean, self.covariance(), self.amplitude)

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *args: Any) -> None:
        """Take as many Gaussians as ``state_dict`` has, if its tensors agree on how many."""
        held = {name: state_dict[prefix + name].shape for name in SOLID_COLUMNS if prefix + name in state_dict}
        if len(held) == len(SOLID_COLUMNS) and all(held[name][1:] == own for name, own in SOLID_COLUMNS.items()):
            counts = {shape[:1] for shape in held.values()}
            if len(counts) == 1 and counts != {self.mean.shape[:1]}:
                for name in SOLID_COLUMNS:
                    parameter = getattr(self, name)
                    parameter.grad = None
                    parameter.data = parameter.new_empty(held[name])
        super()._load_from_state_dict(state_dict, prefix, *args)


def are_plausible(values: Tensor) -> bool:
    """Return whether all numbers are finite and within ± `LARGEST`."""
    return bool((values.abs() <= LARGEST).all())


def covariance_from(log_scale: Float[Tensor, "n 3"], quaternion: Float[Tensor, "n 4"]) -> Float[Tensor, "n 3 3"]:
    """Return Σ = R diag(s²) Rᵀ, symmetric to the last digit, with s within e^±`LOG_SCALE_LIMIT`."""
    scaled = rotation_from(quaternion) * torch.exp(log_scale.clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT))[:, None, :]
    covariance = scaled @ scaled.transpose(-1, -2)
    return 0.5 * (covariance + covariance.transpose(-1, -2))


def rotation_from(quaternion: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 3 3"]:
    """Return the rotation matrices of quaternions (w, x, y, z) of any length but zero, x for the first axis."""
    w, x, y, z = torch.nn.functional.normalize(quaternion, dim=-1).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
