"""Adaptive density in 2D: clone, split, prune and reset opacity by the rules of 3D Gaussian Splatting.

Kerbl et al. 2023, section 5, with the camera replaced by the section plane: gradients of the mean are measured in
normalised units (pixels · half the section's width), sizes as a fraction of the section.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from napari_emgauss.gaussians.planar import PARAMETER_NAMES, Gaussians
from napari_emgauss.settings import Count, NonNegative, Number, PositiveCount, settings


@settings
class DensityConfig:
    """Rules by which the number of Gaussians changes."""

    every: Count = 100
    """Iterations between two rounds; 0 switches densification off."""
    start: Count
    """First iteration at which Gaussians may be cloned or split."""
    stop: Count
    """No round from this iteration on."""
    grow_gradient: NonNegative = 2e-4
    """Mean gradient norm, in normalised units, above which a Gaussian is cloned or split."""
    split_fraction: NonNegative = 0.01
    """A growing Gaussian larger than this fraction of the section is split, a smaller one cloned."""
    prune_opacity: Annotated[Number, Field(ge=0, lt=0.5)] = 0.005
    """Gaussians more transparent than this are removed."""
    reset_every: Count
    """Iterations between two opacity resets; 0 switches them off."""
    max_gaussians: PositiveCount
    """Cap on the number of Gaussians of a block: the strongest gradients are served first, then growth stops."""


@dataclass(frozen=True)
class Surgery:
    """A change of the set: keep these indices, then append these children."""

    keep: Tensor
    children: dict[str, Tensor]

    def apply(self, name: str, values: Tensor) -> Tensor:
        """Return ``values`` (N, …) of parameter ``name`` after the change."""
        return torch.cat([values[self.keep], self.children[name].to(values)]).contiguous()

    def carry(self, name: str, values: Tensor) -> Tensor:
        """Something kept per Gaussian (N, …) after the change; children start with zeros."""
        return torch.cat([values[self.keep], torch.zeros_like(self.children[name]).to(values)]).contiguous()


class DensityControl:
    """Gathers gradient statistics of one set of Gaussians and proposes changes.

    Parameters
    ----------
    config
        Rules and thresholds.
    extent_px
        Larger side of the section in pixels.
    """

    def __init__(self, config: DensityConfig, extent_px: float) -> None:
        self.config = config
        self.extent_px = extent_px
        self.gradient_sum: Tensor | None = None
        self.count = 0

    def observe(self, gaussians: Gaussians) -> None:
        """Add the present gradient of the means to the statistics."""
        gradient = gaussians.mean_px.grad
        if gradient is None:
            return
        norm = gradient.norm(dim=-1) * (self.extent_px / 2)
        self.gradient_sum = norm if self.gradient_sum is None else self.gradient_sum + norm
        self.count += 1

    def due(self, iteration: int) -> bool:
        """Return whether a round is due after ``iteration`` (0-based)."""
        c = self.config
        return c.every > 0 and c.start <= iteration < c.stop and (iteration + 1) % c.every == 0

    def reset_due(self, iteration: int) -> bool:
        """Return whether opacities are to be reset after ``iteration`` (0-based)."""
        c = self.config
        return c.every > 0 and c.reset_every > 0 and iteration < c.stop and (iteration + 1) % c.reset_every == 0

    @torch.no_grad()
    def propose(self, gaussians: Gaussians, generator: torch.Generator) -> Surgery:
        """Clone or split where the mean gradient is large, prune what is transparent; clears the statistics."""
        c = self.config
        n = len(gaussians)
        mean_gradient = torch.zeros(n) if self.gradient_sum is None else self.gradient_sum.cpu() / max(self.count, 1)
        self.gradient_sum, self.count = None, 0
        values = {name: value.cpu() for name, value in gaussians.values().items()}
        opaque = torch.sigmoid(values["opacity_logit"]) >= c.prune_opacity
        grow = _strongest(
            opaque & (mean_gradient > c.grow_gradient), mean_gradient, c.max_gaussians - int(opaque.sum())
        )
        large = values["log_scale"].max(-1).values > math.log(c.split_fraction * self.extent_px)
        clone, split = grow & ~large, grow & large
        halves = _two_children_each(values, split, generator)
        children = {name: torch.cat([values[name][clone], halves[name]]) for name in PARAMETER_NAMES}
        return Surgery((opaque & ~split).nonzero()[:, 0], children)

    @torch.no_grad()
    def reset(self, gaussians: Gaussians) -> tuple[str, ...]:
        """Lower every opacity to at most twice the pruning threshold, as 3DGS does; return the parameters changed."""
        ceiling = 2 * self.config.prune_opacity
        gaussians.opacity_logit.clamp_(max=math.log(ceiling / (1 - ceiling)))
        return ("opacity_logit",)


def _strongest(candidates: Tensor, strength: Tensor, room: int) -> Tensor:
    """Keep at most ``room`` candidates, the strongest."""
    if room <= 0:
        return torch.zeros_like(candidates)
    if int(candidates.sum()) <= room:
        return candidates
    chosen = torch.topk(torch.where(candidates, strength, -1.0), room).indices
    return torch.zeros_like(candidates).index_fill_(0, chosen, value=True)


def _two_children_each(values: dict[str, Tensor], which: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Draw two children per parent from the parent's own density, 1.6 times smaller (3DGS)."""
    parents = {name: value[which].repeat_interleave(2, 0) for name, value in values.items()}
    local = torch.exp(parents["log_scale"]) * torch.randn(parents["log_scale"].shape, generator=generator)
    cos, sin = torch.cos(parents["angle_rad"]), torch.sin(parents["angle_rad"])
    offset = torch.stack([cos * local[:, 0] - sin * local[:, 1], sin * local[:, 0] + cos * local[:, 1]], -1)
    parents["mean_px"] = parents["mean_px"] + offset
    parents["log_scale"] = parents["log_scale"] - math.log(1.6)
    return parents
