"""Settings of the lateral network."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from napari_emgauss.errors import ConfigError, VolumeError
from napari_emgauss.settings import Indices, NonNegative, Number, Positive, PositiveCount, settings

REFERENCE_PX = 400_000
"""Pixels of the stack on which the default number of steps was chosen: 11 sections of 192 × 192."""
_LARGEST_GROWTH = 4.0


@settings
class LateralConfig:
    """Settings of `train_lateral`; the defaults were measured at ×6 on stacks of 11 sections of 192 × 192."""

    steps: PositiveCount
    """Training steps for a stack of `REFERENCE_PX` pixels; larger stacks get up to four times as many."""
    reach: PositiveCount = 2
    """Kept rows (sections) on each side that a prediction sees."""
    channels: PositiveCount = 48
    """Width of the network."""
    dilations: Indices = (1, 2, 4, 8, 2, 1)
    """Dilation along the row of each residual block; their sum sets how far sideways the network sees."""
    coefficients: PositiveCount = 12
    """Functions of the phase that make up the residual: rows of all phases come from one pass."""
    batch_rows: PositiveCount = 48
    """Intervals between kept rows per step."""
    batch_phases: PositiveCount = 4
    """Hidden rows asked for in each of them."""
    window_px: PositiveCount = 192
    """Longest piece of a row in a batch."""
    gap_low: Positive = 1.0
    """Narrowest gap between kept rows in training, as a share of the stack's factor."""
    gap_high: Positive = 1.25
    """Widest gap, likewise; a wide range costs quality (measured: 0.15 dB lost for 0.7..2.3)."""
    rate: Positive = 3e-3
    """Peak learning rate; it falls along a cosine."""
    weight_decay: NonNegative = 1e-4
    """Decoupled weight decay."""
    average: Annotated[Number, Field(ge=0, lt=1)] = 0.99
    """Decay per step of the moving average of the weights, which is what is kept; 0 for none."""
    perpendicular_blur_px: NonNegative = 0.6
    """Blur across the planes of each prediction: a network that sees one (z, x) plane cannot smooth along y."""
    evidence_share: NonNegative = 0.15
    """Steps that adapt a copy to the doubled gap of the hidden sections, as a share of ``steps``."""
    evidence_sections: PositiveCount = 16
    """Most sections to hide when evidence is gathered."""

    def __post_init__(self) -> None:
        if not self.dilations or min(self.dilations) < 1:
            raise ConfigError(f"dilations must be one or more positive numbers, got {self.dilations}.")
        if self.gap_low > self.gap_high:
            raise ConfigError(
                f"gap_low must be at most gap_high, got {self.gap_low} and {self.gap_high}. "
                "Both are shares of the factor; 1 lies between them as a rule."
            )

    def steps_for(self, n_px: int) -> int:
        """Return the training steps for a stack of ``n_px`` pixels: they grow about as its cube root, within limits."""
        growth = math.pow(n_px / REFERENCE_PX, 0.35)
        return max(1, round(self.steps * min(max(growth, 0.5), _LARGEST_GROWTH)))


def gaps_px(factor: float, side_px: int, config: LateralConfig) -> tuple[float, float]:
    """Return the narrowest and widest gap, in rows, to train at on sections whose shorter side is ``side_px``.

    Raises
    ------
    ConfigError
        ``factor`` is not a number of at least 1.
    VolumeError
        The sections are too small to hide rows at this factor.
    """
    if not (math.isfinite(factor) and factor >= 1):
        raise ConfigError(f"factor must be a finite number >= 1, got {factor}. It is dz / dx of the voxel size.")
    most = side_px / 2
    low = max(2.0, config.gap_low * factor)
    if low > most:
        raise VolumeError(
            f"sections of {side_px} px are too small to hide rows at factor {factor:g}: it takes {2 * low:.0f} px. "
            "Use a larger region, or do without the lateral network."
        )
    return low, min(max(low, config.gap_high * factor), most)
