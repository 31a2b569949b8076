"""Brightness and weight of slices, and the weight of pixels, from what a field leaves of them."""

from __future__ import annotations

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.forward.cuts import PixelLayout
from napari_emgauss.methods.svr.measured import Measured

PIXEL_SIGMAS = 4.0
"""A pixel that is off by so many standard deviations counts half."""
LEAST_SPREAD = 0.25
"""Slices differ in how well they fit by at least this share of the typical misfit, whatever the median says."""
SLICE_SIGMAS = 4.0
PRIOR_PIXELS = 100.0
"""Slices are taken for typical ones until so many pixels say otherwise."""
GAINS = (0.3, 3.0)


def gains(measured: Measured, drawn: FloatArray, weight: FloatArray, trust: AnyArray) -> AnyArray:
    """Return the gain (S,) at which each slice fits what is drawn best; 1 in the mean of those with ``trust`` (S,)."""
    found, typical = np.ones(len(measured)), float(np.mean(measured.values[measured.inside > 0] ** 2))
    for s, (y, d, w) in enumerate(_parts(measured.layout, measured.values, drawn, weight)):
        prior = PRIOR_PIXELS * typical
        found[s] = np.clip((float(np.sum(w * d * y)) + prior) / (float(np.sum(w * d * d)) + prior), *GAINS)
    return np.asarray(found / np.exp(np.average(np.log(found), weights=trust)))


def pixel_weights(measured: Measured, residual: FloatArray, counted: FloatArray) -> FloatArray:
    """Return Cauchy's weights of residuals, by the noise that most pixels in the masks have.

    Pixels that were not ``counted`` (weight 0) get a weight of 1: that they do not fit is no fault of theirs.
    """
    sigma = 1.4826 * float(np.median(np.abs(residual[measured.inside > 0])))
    return np.where(counted > 0, 1 / (1 + (residual / max(PIXEL_SIGMAS * sigma, 1e-9)) ** 2), 1).astype(np.float32)


def slice_weights(measured: Measured, residual: FloatArray) -> AnyArray:
    """Return the weight (S,) of each slice: 1 for those that fit like most of them, falling to 0 for those far worse.

    At least half of the slices have the weight 1: those that fit better than the median.
    """
    parts = _parts(measured.layout, residual, measured.inside)
    total = np.array([float(np.sum(np.abs(r) * m)) for r, m in parts])
    n = np.array([float(np.sum(m)) for _, m in parts])
    typical = float(np.median(total / n))
    misfit = (total + PRIOR_PIXELS * typical) / (n + PRIOR_PIXELS)
    spread = max(1.4826 * float(np.median(np.abs(misfit - typical))), LEAST_SPREAD * typical, 1e-9)
    return np.asarray(np.exp(-0.5 * (np.maximum((misfit - typical) / spread, 0) / SLICE_SIGMAS) ** 2))


def misfits(measured: Measured, drawn: FloatArray) -> AnyArray:
    """Return the root mean square (S,) of what is left of each slice in its mask, each with a gain of its own."""
    found = []
    for y, d, w in _parts(measured.layout, measured.values, drawn, measured.inside):
        gain = np.clip(float(np.sum(w * d * y)) / max(float(np.sum(w * d * d)), 1e-12), *GAINS)
        found.append(np.sqrt(float(np.sum(w * (y - gain * d) ** 2)) / max(float(np.sum(w)), 1.0)))
    return np.array(found)


def _parts(layout: PixelLayout, *rows: FloatArray) -> list[tuple[FloatArray, ...]]:
    """Return the images of every slice, of each row of pixels."""
    return [tuple(layout.image(row, s) for row in rows) for s in range(len(layout.shapes))]
