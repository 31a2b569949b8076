"""The stacks' smooth fields of brightness, from what a field of Gaussians leaves of their slices.

What all stacks have in common cannot be told from the object, and is left to it.
"""

from __future__ import annotations

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.methods.svr.measured import Measured, MeasuredSlice
from napari_emgauss.slices.bias import N_BIAS_TERMS, bias_terms

LEAST_BIAS = 0.01
"""Fields that vary by less (root mean square of the logarithm) are taken for none."""
_RIDGE = 1e-4
"""By the curvature of each term: those that a stack does not show stay as they are."""


def bias_change(measured: Measured, drawn: FloatArray, gain: AnyArray, weight: FloatArray) -> AnyArray:
    """Return what to add to the stacks' fields (stacks, 9), by one Gauss-Newton step.

    Parameters
    ----------
    measured
        The slices, evened by the fields so far.
    drawn
        What the Gaussians draw, before gains: a row of pixels.
    gain
        Of every slice (S,).
    weight
        Of every pixel, 0 outside of the masks.
    """
    n = N_BIAS_TERMS + 1  # a constant besides, which belongs to the gains
    matrix, slope = np.zeros((measured.n_stacks, n, n)), np.zeros((measured.n_stacks, n))
    for s, own in enumerate(measured.slices):
        expected = gain[s] * measured.layout.image(drawn, s)[own.inside].astype(np.float64)
        w = measured.layout.image(weight, s)[own.inside]
        rows = np.concatenate([_terms(own), np.ones((len(w), 1))], 1) * expected[:, None]
        matrix[own.stack] += (rows * w[:, None]).T @ rows
        slope[own.stack] += rows.T @ (w * (own.image[own.inside] - expected))
    scale = np.sqrt(np.maximum(np.diagonal(matrix, axis1=1, axis2=2), 1e-30))
    scaled = matrix / (scale[:, :, None] * scale[:, None]) + _RIDGE * np.eye(n)
    change = np.linalg.solve(scaled, (slope / scale)[..., None])[..., 0] / scale
    return change[:, :N_BIAS_TERMS]


def without_common(measured: Measured, bias: AnyArray) -> AnyArray:
    """Return fields (stacks, 9) without what those of all stacks that show something have in common."""
    shown = np.unique(measured.stack_of)
    found = np.zeros_like(bias)
    found[shown] = bias[shown] - bias[shown].mean(0)
    return found


def bias_size(measured: Measured, bias: AnyArray) -> float:
    """Return how much fields (stacks, 9) vary within slices: the root mean square of their logarithm."""
    logarithms = [_terms(own) @ bias[own.stack] for own in measured.slices]
    return float(np.sqrt(np.mean(np.concatenate([one - one.mean() for one in logarithms]) ** 2)))


def _terms(own: MeasuredSlice) -> AnyArray:
    """The terms (m, 9) at the pixels of a slice's mask."""
    return np.asarray(bias_terms(own.affine, (own.image.shape[0], own.image.shape[1]))[own.inside])
