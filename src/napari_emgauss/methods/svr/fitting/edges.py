"""Smoothness that leaves contours: pairs of neighbours are smoothed less where the field around them changes a lot."""

from __future__ import annotations

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray

STRENGTH = 8.0
"""Flat tissue is smoothed so many times as strongly as where all is smoothed alike."""
_NOTHING = 1e-3
"""Differences below this share of the amplitudes' root mean square are of where nothing is, and no noise."""


def edge_weights(amplitude: FloatArray, pairs: AnyArray) -> FloatArray:
    """Return how much each pair of neighbours (p,) is smoothed: `STRENGTH` where it is flat, little across a contour.

    These are the weights of Cauchy's penalty log(1 + d²) in iteratively reweighted least squares, with d the root mean
    square difference of the two nodes from all their neighbours, in units of what is typical of this very field.

    Parameters
    ----------
    amplitude
        (N,)
    pairs
        Neighbours (p, 2).
    """
    lower, upper = pairs[:, 0], pairs[:, 1]
    apart = np.abs(amplitude[lower] - amplitude[upper])
    counted = apart[apart > _NOTHING * np.sqrt(np.mean(amplitude**2, dtype=np.float64))]
    if not len(counted):
        return np.full(len(pairs), STRENGTH, np.float32)
    typical = 1.4826 * float(np.median(counted))
    n = len(amplitude)
    squares, degree = (np.bincount(lower, w, n) + np.bincount(upper, w, n) for w in (apart**2, np.ones(len(pairs))))
    mean = squares / np.maximum(degree, 1)
    return np.asarray(STRENGTH / (1 + (mean[lower] + mean[upper]) / (2 * typical**2)), np.float32)
