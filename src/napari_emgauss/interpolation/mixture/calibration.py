"""Expected error of a prediction, from how far apart the predictions and the sections are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from napari_emgauss._types import FloatArray
from napari_emgauss.interpolation.plain import blurred

COMPARED = ("linear+blur0.7", "flow+blur0.7")
"""The plain predictions that a mixture is compared with."""
N_DIFFERENCES = len(COMPARED) + 1
REACH_PX = 4.0
"""Gaussian σ of the neighbourhood over which differences are averaged."""
_NOISE_PX = 1.0
_SPARSE_PX = 4
_GAP_SHARE = math.sqrt(0.5)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Expected absolute error in the middle of a gap: ``base`` plus a weighted sum of `differences`.

    It is fitted to hidden sections, whose gap is twice as wide. The error there is taken for that of a random walk tied
    to both sections (a Brownian bridge), whose variance is proportional to the gap: at one gap it is 1/√2 of that.
    """

    base: float
    """Expected error where nothing differs."""
    weights: tuple[float, ...]
    """One for each of the `differences`, at least 0."""

    def __post_init__(self) -> None:
        values = (self.base, *self.weights)
        if len(self.weights) != N_DIFFERENCES or not all(math.isfinite(v) and v >= 0 for v in values):
            raise ValueError(
                f"a calibration has a base and {N_DIFFERENCES} weights, finite and at least 0, got {values}."
            )

    def expected(self, found: FloatArray, gap: float = 1.0) -> FloatArray:
        """Return the absolute error (Y, X) expected in the middle of a gap of ``gap`` sections, from `differences`."""
        at_one_gap = self.base + np.tensordot(np.array(self.weights, np.float32), found, 1)
        return np.asarray(math.sqrt(gap) * at_one_gap, np.float32)


@dataclass(frozen=True, kw_only=True)
class GapMiddle:
    """Predictions in the middle between two sections; images (Y, X)."""

    prediction: FloatArray
    """What is judged."""
    plain: FloatArray
    """The predictions (k, Y, X) of `COMPARED`."""
    sections: FloatArray
    """The sections (2, Y, X) below and above."""

    def differences(self) -> FloatArray:
        """Return how far (k + 1, Y, X) the prediction is from each plain one, and one section from the other.

        Each is a local root mean square. The last one is the change from section to section, its noise suppressed.
        """
        change = blurred(self.sections[1] - self.sections[0], _NOISE_PX)
        squares = [blurred(image**2, REACH_PX) for image in (*(self.prediction - self.plain), change)]
        return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float32)


def calibrate(hidden: Iterable[tuple[GapMiddle, FloatArray]]) -> Calibration:
    """Fit a calibration to hidden sections by least squares, with weights of at least 0.

    Parameters
    ----------
    hidden
        What was known without the hidden section, and that section (Y, X).
    """
    columns, errors = [], []
    for known, truth in hidden:
        sparse = (..., slice(None, None, _SPARSE_PX), slice(None, None, _SPARSE_PX))
        columns.append(known.differences()[sparse].reshape(N_DIFFERENCES, -1))
        errors.append(blurred(np.abs(known.prediction - truth), REACH_PX)[sparse].ravel())
    found = np.concatenate(columns, 1)
    design = np.concatenate([np.ones((1, found.shape[1])), found]).T
    fitted, _ = nnls(design, np.concatenate(errors).astype(np.float64))
    base, *weights = (float(v) * _GAP_SHARE for v in fitted)
    return Calibration(base=base, weights=tuple(weights))
