"""Cost of a part of a training, by the size of what it is done on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MOST_CONSTANT = 0.5
"""Largest share of the larger time that is taken for constant: two times may differ little by chance."""


@dataclass(frozen=True)
class Cost:
    """Seconds of a part: some that any size takes, and some for each pixel."""

    constant: float
    per_px: float

    @classmethod
    def through(cls, seconds: Mapping[int, float]) -> Cost:
        """Return the cost through one or two measured points, seconds by number of pixels."""
        large, small = max(seconds), min(seconds)
        if small == large:
            return cls(0.0, seconds[large] / large)
        constant = (seconds[small] * large - seconds[large] * small) / (large - small)
        constant = min(max(constant, 0.0), MOST_CONSTANT * seconds[large])
        return cls(constant, (seconds[large] - constant) / large)

    def seconds(self, n_px: int) -> float:
        """Return the seconds on so many pixels."""
        return self.constant + self.per_px * n_px
