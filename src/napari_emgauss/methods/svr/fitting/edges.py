"""Smoothness that leaves contours: pairs of neighbours are smoothed less where the field changes a lot along them."""

from __future__ import annotations

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.gaussians.lattice import Lattice

STRENGTH = 8.0
"""Flat tissue is smoothed so many times as strongly as where all is smoothed alike."""
_NOTHING = 1e-3
"""Differences below this share of the amplitudes' root mean square are of where nothing is, and no noise."""


def edge_weights(amplitude: FloatArray, lattice: Lattice) -> FloatArray:
    """Return how much each pair of neighbours (p,) is smoothed: `STRENGTH` where it is flat, little across a contour.

    These are the weights of Cauchy's penalty log(1 + d²) in iteratively reweighted least squares. d is the root mean
    square difference of the two nodes from their neighbours on the pair's own line, in units of what is typical of this
    very field: so that across a contour little is smoothed, and along it as much as in flat tissue.

    Parameters
    ----------
    amplitude
        Of the lattice's nodes (N,).
    lattice
        Its `pairs` are those that are smoothed.
    """
    lines = [lattice.pairs_along(axis) for axis in range(3)]
    squares = [(amplitude[pairs[:, 0]] - amplitude[pairs[:, 1]]) ** 2 for pairs in lines]
    apart = np.sqrt(np.concatenate(squares))
    counted = apart[apart > _NOTHING * np.sqrt(np.mean(amplitude**2, dtype=np.float64))]
    if not len(counted):
        return np.full(len(apart), STRENGTH, np.float32)
    typical = 1.4826 * float(np.median(counted))
    change = np.concatenate([_on_a_line(own, pairs, len(amplitude)) for own, pairs in zip(squares, lines, strict=True)])
    return np.asarray(STRENGTH / (1 + change / typical**2), np.float32)


def _on_a_line(squares: FloatArray, pairs: AnyArray, n: int) -> AnyArray:
    """Return the mean of both nodes' mean square differences from their neighbours, for pairs (p, 2) along an axis."""
    lower, upper = pairs[:, 0], pairs[:, 1]
    total, degree = (np.bincount(lower, w, n) + np.bincount(upper, w, n) for w in (squares, np.ones(len(pairs))))
    mean = total / np.maximum(degree, 1)
    return np.asarray((mean[lower] + mean[upper]) / 2)
