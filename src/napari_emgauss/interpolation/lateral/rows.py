"""The network: rows on both sides of a gap in, a row at any phase of the gap out."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_emgauss.interpolation.lateral.config import LateralConfig

_TYPICAL_GAP_PX = 8.0
_PHASE_FEATURES = 6
_PHASE_UNITS = 32


class RowNetwork(nn.Module):
    """Linear interpolation plus a learned residual Σⱼ wⱼ(phase, gap) · cⱼ(rows, gap).

    The coefficients cⱼ come from dilated convolutions along the row; they do not depend on the phase, so that all rows
    of a gap cost one pass, and the result is smooth in the phase.
    """

    def __init__(self, config: LateralConfig, generator: torch.Generator) -> None:
        super().__init__()
        width, self.reach = config.channels, config.reach
        with torch.device("meta"):  # the layers' own initialisation would draw from the global generator
            self.entry = nn.Conv1d(2 * config.reach, width, 5, padding=2)
            self.along = nn.ModuleList(nn.Conv1d(width, width, 3, padding=d, dilation=d) for d in config.dilations)
            self.across = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in config.dilations)
            self.modulation = nn.Linear(1, 2 * width * len(config.dilations))
            self.exit = nn.Conv1d(width, config.coefficients, 1)
            self.phase = nn.Sequential(
                nn.Linear(_PHASE_FEATURES, _PHASE_UNITS), nn.SiLU(), nn.Linear(_PHASE_UNITS, config.coefficients)
            )
        self.to_empty(device="cpu")
        self._initialise(generator)

    def forward(self, rows: Tensor, gap_px: Tensor, phases: Tensor) -> Tensor:
        """Predict rows (batch, phases, X).

        Parameters
        ----------
        rows
            Kept rows (batch, 2·reach, X), lowest first; the gap is in the middle.
        gap_px
            Distance (batch,) between kept rows.
        phases
            Places (batch, phases) within the gap, 0..1.
        """
        return self.blend(rows, self.coefficients(rows, gap_px), gap_px, phases)

    def blend(self, rows: Tensor, coefficients: Tensor, gap_px: Tensor, phases: Tensor) -> Tensor:
        """Combine `coefficients` to rows (batch, phases, X); the other parameters as in `forward`."""
        weights = self.phase(_phase_features(phases, _log_gap(gap_px)))
        below, above = rows[:, self.reach - 1, None], rows[:, self.reach, None]
        base = torch.lerp(below, above, phases[..., None])
        return base + torch.einsum("bmj,bjx->bmx", weights, coefficients)

    def coefficients(self, rows: Tensor, gap_px: Tensor) -> Tensor:
        """Compute the cⱼ (batch, coefficients, X), nearly all of the work."""
        # As images of one line with the channels last, which convolutions need not rearrange: a sixth faster.
        lines = (rows - rows.mean((1, 2), keepdim=True))[:, :, None].contiguous(memory_format=torch.channels_last)
        state = _convolved(lines, self.entry)
        modulation = self.modulation(_log_gap(gap_px)).view(len(rows), len(self.along), 2, -1, 1, 1)
        for index, (along, across) in enumerate(zip(self.along, self.across, strict=True)):
            inner = _convolved(functional.silu(state), along)
            inner = inner * (1 + modulation[:, index, 0]) + modulation[:, index, 1]
            state = state + _convolved(functional.silu(inner), across)
        return _convolved(functional.silu(state), self.exit)[:, :, 0]

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        # Torch's default bounds; the blocks' zeros make training start from a shallow network.
        for layer in self.modules():
            if isinstance(layer, nn.Conv1d | nn.Linear):
                bound = 1 / math.sqrt(layer.weight[0].numel())
                layer.weight.uniform_(-bound, bound, generator=generator)
                if layer.bias is not None:
                    layer.bias.uniform_(-bound, bound, generator=generator)
        for zero in (*self.across, self.modulation):
            zero.weight.zero_()
            zero.bias.zero_()


def _convolved(lines: Tensor, layer: nn.Module) -> Tensor:
    """Apply ``layer`` along the lines (batch, channels, 1, X)."""
    assert isinstance(layer, nn.Conv1d)
    weight = layer.weight[:, :, None].contiguous(memory_format=torch.channels_last)
    padding, dilation = int(layer.padding[0]), int(layer.dilation[0])
    return functional.conv2d(lines, weight, layer.bias, padding=(0, padding), dilation=(1, dilation))


def _log_gap(gap_px: Tensor) -> Tensor:
    return torch.log(gap_px / _TYPICAL_GAP_PX)[:, None]


def _phase_features(phases: Tensor, gap: Tensor) -> Tensor:
    p = phases[..., None]
    turn = 2 * math.pi * p
    features = [p, 4 * p * (1 - p), 8 * (p - 0.5) ** 3, torch.sin(turn), torch.cos(2 * turn)]
    return torch.cat([*features, gap[:, None].expand(*phases.shape, 1)], -1)
