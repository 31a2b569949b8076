"""The prior's network: sections around a gap in, a section at any phase of the gap out."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from napari_emgauss.errors import ConfigError
from napari_emgauss.settings import Flag, Indices, Whole, from_json, settings

_TYPICAL_FACTOR = 6.0
_LEAK = 0.1
_PHASE_FEATURES = 10
_PHASE_UNITS = 48
_CONDITION_UNITS = 16
_MOST_LEVELS, _MOST_CHANNELS, _MOST_BLOCKS = 8, 2048, 16


@settings
class PriorConfig:
    """Architecture of a `PriorNetwork`."""

    reach: Annotated[Whole, Field(ge=1, le=8)] = 2
    """Observed sections on each side of the gap."""
    shuffle: Annotated[Whole, Field(ge=1, le=8)] = 2
    """Side of the squares of pixels that the first layer takes as channels."""
    widths: Indices = (64, 96, 128)
    """Channels of each level; each has half the resolution of the one before."""
    blocks: Indices = (2, 2, 2)
    """Residual blocks of each level, on the way down and again on the way up."""
    coefficients: Annotated[Whole, Field(ge=1, le=64)] = 8
    """Functions of the phase that make up the residual."""
    motion: Flag = False
    """Whether sections are carried to the phase by a motion that the network finds, before they are blended."""

    def __post_init__(self) -> None:
        for name, values, most in (("widths", self.widths, _MOST_CHANNELS), ("blocks", self.blocks, _MOST_BLOCKS)):
            if not 1 <= len(values) <= _MOST_LEVELS or not all(1 <= value <= most for value in values):
                raise ConfigError(f"{name} must be 1 to {_MOST_LEVELS} numbers within 1..{most}, got {values}.")
        if len(self.widths) != len(self.blocks):
            raise ConfigError(f"widths and blocks are one for each level, got {self.widths} and {self.blocks}.")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> PriorConfig:
        """Inverse of `to_json`; ``values`` need not be trusted."""
        return from_json(cls, values)

    @property
    def multiple_px(self) -> int:
        """Sides of images have to be multiples of this."""
        return int(self.shuffle * 2 ** (len(self.widths) - 1))


class PriorNetwork(nn.Module):
    """A blend of the sections around a gap plus a learned residual Σⱼ wⱼ(phase, factor) · cⱼ(sections, factor).

    The coefficients cⱼ come from a U-Net (Ronneberger et al. 2015) of residual blocks; they do not depend on the phase,
    so that all planes of a gap cost one pass, and the result is smooth in the phase.
    """

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        widths, n_levels = config.widths, len(config.widths)
        condition = 1 + 2 * (2 * config.reach - 2)
        self.condition = nn.Sequential(nn.Linear(condition, _CONDITION_UNITS), nn.SiLU())
        self.entry = nn.Conv2d(2 * config.reach * config.shuffle**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.ModuleList(_Block(width) for _ in range(n)) for width, n in zip(widths, config.blocks, strict=True)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 2, stride=2) for i in range(n_levels - 1))
        self.grow = nn.ModuleList(nn.Conv2d(widths[i + 1], widths[i], 1) for i in range(n_levels - 1))
        self.up = nn.ModuleList(
            nn.ModuleList(_Block(widths[i]) for _ in range(config.blocks[i])) for i in range(n_levels - 1)
        )
        self.exit = nn.Conv2d(widths[0], config.coefficients * config.shuffle**2, 3, padding=1)
        self.phase = nn.Sequential(
            nn.Linear(_PHASE_FEATURES + 1, _PHASE_UNITS), nn.SiLU(), nn.Linear(_PHASE_UNITS, config.coefficients)
        )
        if config.motion:
            self.motion = nn.Conv2d(widths[0], 4, 3, padding=1)
        for layer in (self.exit, *([self.motion] if config.motion else [])):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(self, sections: Tensor, gaps_px: Tensor, phases: Tensor) -> Tensor:
        """Predict images (batch, phases, Y, X).

        Parameters
        ----------
        sections
            Observed sections (batch, 2·reach, Y, X), lowest first, with mean 0 and standard deviation 1 in the stack;
            Y and X are multiples of `PriorConfig.multiple_px`. One that does not exist repeats its neighbour.
        gaps_px
            Distances (batch, 2·reach - 1) between them in px, the gap's own in the middle; 0 to one that is not there.
        phases
            Places (batch, phases) within the gap, 0..1.
        """
        coefficients, motion = self.analyse(sections, gaps_px)
        return self.compose(sections, coefficients, motion, gaps_px, phases)

    def analyse(self, sections: Tensor, gaps_px: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what does not depend on the phase, nearly all of the work.

        Returns
        -------
        The cⱼ (batch, coefficients, Y, X), and the displacements (batch, 4, Y, X) in px, (y, x) from below to above and
        from above to below; None where the network finds no motion.
        """
        condition = self.condition(self._condition(gaps_px))
        state = self.entry(functional.pixel_unshuffle(sections, self.config.shuffle))
        kept = []
        for level in range(len(self.down)):
            state = self._through(self.down[level], state, condition)
            if level < len(self.shrink):
                kept.append(state)
                state = self.shrink[level](state)
        for level in reversed(range(len(self.up))):
            grown = functional.interpolate(self.grow[level](state), scale_factor=2.0, mode="nearest")
            state = self._through(self.up[level], kept[level] + grown, condition)
        state = functional.leaky_relu(state, _LEAK)
        coefficients = functional.pixel_shuffle(self.exit(state), self.config.shuffle)
        if not self.config.motion:
            return coefficients, None
        motion = functional.interpolate(self.motion(state), scale_factor=float(self.config.shuffle), mode="bilinear")
        return coefficients, motion

    def compose(
        self,
        sections: Tensor,
        coefficients: Tensor,
        motion: Tensor | None,
        gaps_px: Tensor,
        phases: Tensor,
        corner: tuple[int, int] = (0, 0),
    ) -> Tensor:
        """Return images (batch, phases, Y, X) from what `analyse` found; the other parameters as in `forward`.

        Coefficients and motion may be those of a part of the sections, whose first pixel is ``corner`` (y, x).
        """
        reach = self.config.reach
        below, above = sections[:, reach - 1 : reach], sections[:, reach : reach + 1]
        if motion is None:
            (top, left), (height, width) = corner, coefficients.shape[-2:]
            part = (..., slice(top, top + height), slice(left, left + width))
            base = torch.lerp(below[part], above[part], phases[..., None, None])
        else:
            motion = motion.float()
            base = _carried_blend(below, above, motion[:, :2], motion[:, 2:], phases, corner)
        weights = self.phase(_phase_features(phases, _log_factor(self._own_gap(gaps_px))))
        return base + torch.einsum("bpj,bjyx->bpyx", weights, coefficients.to(weights.dtype))

    @staticmethod
    def _through(blocks: nn.Module, state: Tensor, condition: Tensor) -> Tensor:
        for block in blocks.children():
            state = block(state, condition)
        return state

    def _own_gap(self, gaps_px: Tensor) -> Tensor:
        return gaps_px[:, self.config.reach - 1]

    def _condition(self, gaps_px: Tensor) -> Tensor:
        own = self._own_gap(gaps_px)[:, None]
        others = torch.cat([gaps_px[:, : self.config.reach - 1], gaps_px[:, self.config.reach :]], 1)
        missing = (others <= 0).to(others.dtype)
        relative = torch.where(others > 0, torch.log2(others.clamp(min=1e-3) / own), torch.zeros_like(others))
        return torch.cat([_log_factor(own), relative, missing], 1)


class _Block(nn.Module):
    """Two convolutions, the first scaled and shifted by the condition, added to the state."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.modulation = nn.Linear(_CONDITION_UNITS, 2 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        with torch.no_grad():
            self.second.weight.mul_(0.2)

    def forward(self, state: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.modulation(condition)[..., None, None].chunk(2, 1)
        inner = self.first(functional.leaky_relu(state, _LEAK))
        inner = functional.leaky_relu(inner * (1 + scale) + shift, _LEAK)
        out: Tensor = state + self.second(inner)
        return out


def _carried_blend(
    below: Tensor, above: Tensor, up: Tensor, down: Tensor, phases: Tensor, corner: tuple[int, int] = (0, 0)
) -> Tensor:
    images = []
    for i in range(phases.shape[1]):
        t = phases[:, i, None, None, None]
        images.append((1 - t) * _carried(below, -t * up, corner) + t * _carried(above, (t - 1) * down, corner))
    return torch.cat(images, 1)


def _carried(images: Tensor, displacement_px: Tensor, corner: tuple[int, int] = (0, 0)) -> Tensor:
    """Sample images (batch, 1, Y, X) at each pixel from ``corner`` on plus its displacement (batch, 2, Y', X') in px.

    Both are (y, x).
    """
    height, width = images.shape[-2:]
    rows, columns = (
        torch.arange(first, first + n, device=images.device, dtype=torch.float32)
        for first, n in zip(corner, displacement_px.shape[-2:], strict=True)
    )
    y, x = rows[:, None] + displacement_px[:, 0], columns[None, :] + displacement_px[:, 1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _log_factor(gap_px: Tensor) -> Tensor:
    return torch.log2(gap_px / _TYPICAL_FACTOR)


def _phase_features(phases: Tensor, log_factor: Tensor) -> Tensor:
    """Return features (batch, phases, 11): cosines of multiples of the phase, and the factor."""
    orders = torch.arange(1, _PHASE_FEATURES + 1, device=phases.device, dtype=phases.dtype)
    waves = torch.cos(math.pi * phases[..., None] * orders)
    return torch.cat([waves, log_factor[:, None, None].expand(*phases.shape, 1).to(phases.dtype)], -1)
