"""Errors of single sections, solved from the difference of each section from its two neighbours.

Let p be an unknown of every section (its shift, the logarithm of its gain, its offset). Seen in a part of the section,
the weighted mean of the neighbours minus the section, d = (1-t)·p_below + t·p_above - p, does not change when the
tissue in that part moves or brightens steadily along z, so oblique structures and slow drift leave no trace in d
whatever their direction. Parts that hold different structures disagree about everything but p, which tells the error of
d: tiles, whose median estimates it, for brightness; halves of the field for shifts (see `shifts`).

p then minimises Σ (d_model - d)² / σ² + Σ p² / σ_p², with σ the median error of d and σ_p² = (⟨d²⟩ - σ²) / 1.5, the
variance that independent p would need to explain what exceeds the error (ridge regression with an empirical prior).
Along z this is the high-pass filter h² / (h² + σ²/σ_p²), h = 1 - cos ω: slow change passes for tissue, and where
nothing exceeds what disagreeing structures explain, p is zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solveh_banded

DoubleArray = npt.NDArray[np.float64]

MIN_TILES = 4
"""Fewer say nothing about their own disagreement."""


@dataclass(frozen=True)
class SectionTriple:
    """A section between two others."""

    below: int
    index: int
    above: int

    @property
    def weight_above(self) -> float:
        """Share of the upper one in linear interpolation."""
        return (self.index - self.below) / (self.above - self.below)


def triples_of(kept: list[int]) -> list[SectionTriple]:
    """Return every kept section but the first and last, with the nearest kept ones on both sides."""
    return [SectionTriple(*three) for three in zip(kept, kept[1:], kept[2:], strict=False)]


@dataclass(frozen=True)
class MeasuredDifference:
    """One measured d with its standard error; the error is infinite where nothing could be measured."""

    value: float
    error: float

    @classmethod
    def of_tiles(cls, values: DoubleArray, overlap: float) -> MeasuredDifference:
        """Take the median of tiles that show each piece of tissue ``overlap`` times."""
        if values.size < MIN_TILES:
            return cls(0.0, math.inf)
        middle = float(np.median(values))
        spread = 1.4826 * float(np.median(np.abs(values - middle)))
        # A median's standard error is √(π/2) times a mean's.
        return cls(middle, math.sqrt(math.pi / 2 * overlap / values.size) * spread)


def solve(
    rows: list[SectionTriple], differences: list[MeasuredDifference], n: int, slow_sections: float
) -> DoubleArray:
    """Solve for the unknown (n,) of every section; see the module. Zero where a section takes part in no row.

    Parameters
    ----------
    rows, differences
        What was compared, and the result.
    n
        Number of sections.
    slow_sections
        Waves along z of this many sections or more are never removed by more than half.
    """
    measured = [(row, d) for row, d in zip(rows, differences, strict=True) if math.isfinite(d.error)]
    p = np.zeros(n)
    if not measured:
        return p
    values = np.array([d.value for _, d in measured])
    errors = np.array([d.error for _, d in measured])
    error_variance = float(np.median(errors)) ** 2
    excess = _robust_mean_square(values) - error_variance
    if excess <= 0:
        return p
    ridge = max(error_variance / (excess / 1.5), (1 - math.cos(2 * math.pi / slow_sections)) ** 2)
    weights = error_variance / np.maximum(errors**2, error_variance) if error_variance else np.ones(len(measured))
    # A row joins three neighbours, so the normal matrix has two diagonals above the main one.
    order = sorted({index for row, _ in measured for index in (row.below, row.index, row.above)})
    place = {index: k for k, index in enumerate(order)}
    banded, right = np.zeros((3, len(order))), np.zeros(len(order))
    banded[2] = ridge
    for weight, value, (row, _) in zip(weights, values, measured, strict=True):
        terms = (
            (place[row.below], 1 - row.weight_above),
            (place[row.index], -1.0),
            (place[row.above], row.weight_above),
        )
        for k, factor in terms:
            right[k] += weight * factor * value
            for other, second in terms:
                if other >= k:
                    banded[2 - (other - k), other] += weight * factor * second
    p[order] = solveh_banded(banded, right)
    return p


def _robust_mean_square(values: DoubleArray) -> float:
    """Return the mean square, large values cut to three robust standard deviations: one bad section is not all."""
    scale = 1.4826 * float(np.median(np.abs(values)))
    cut = np.minimum(np.abs(values), 3 * scale) if scale else np.abs(values)
    return float(np.mean(cut**2))
