"""Where one image lies in another, to a fraction of a pixel, and what each half of the field says about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import FloatArray
from napari_emgauss.sections.corrections import shifted
from napari_emgauss.sections.second_differences import DoubleArray

BLUR_PX = 1.5
"""Gaussian σ before two images are compared: takes out noise, and lets gradients reach a few pixels far."""
Half = Literal["top", "bottom", "left", "right"]
HALVES: tuple[Half, ...] = get_args(Half)
OPPOSITE: dict[Half, Half] = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}
_STEPS = 5
_RIM_PX = 8
_OUTLIER = 2.0
"""A residual of this many times the median counts half."""
_RCOND = 1e-9
_FLAT = 1e-5
"""A standard deviation below this share of the largest value is rounding."""


@dataclass(frozen=True, eq=False)
class Registration:
    """Normal equations of the last Gauss-Newton step, kept apart for the quarters of the field."""

    start: DoubleArray
    """Displacement (2,) before that step."""
    normal: DoubleArray
    """(2, 2, 4, 4): rows and columns of quarters; unknowns are the step (y, x), gain and offset."""
    right: DoubleArray
    """(2, 2, 4): right-hand sides."""

    def displacement(self, half: Half | None = None) -> DoubleArray:
        """By how many px (y, x) content lies further down and right than predicted, in the whole field or a half."""
        rows, columns = _quarters(half)
        normal, right = self.normal[rows, columns].sum((0, 1)), self.right[rows, columns].sum((0, 1))
        # Least squares of the normal equations: no step along a direction in which nothing changes.
        return np.asarray(self.start - np.linalg.lstsq(normal, right, rcond=_RCOND)[0][:2])

    @property
    def error(self) -> DoubleArray:
        """Standard error (2,) of the whole field's displacement, from how much opposite halves disagree."""
        apart = [self.displacement(half) - self.displacement(OPPOSITE[half]) for half in ("top", "left")]
        return np.asarray(0.5 * np.sqrt(np.mean(np.square(apart), axis=0)))


def register(image: FloatArray, prediction: FloatArray) -> Registration | None:
    """Register ``image`` against ``prediction``, both (Y, X), by Gauss-Newton steps with few outliers.

    Least squares of image(y + d) - (gain · prediction + offset), blurred by `BLUR_PX`: blind to brightness, and exact
    where matching small tiles finds only the best of many likenesses. Displacements of up to about 4 px are found.

    Returns
    -------
    Registration
        None where an image is flat, or too small to leave anything within its rim.
    """
    rim = min(_RIM_PX, min(image.shape) // 8)
    inner = (slice(rim, image.shape[0] - rim), slice(rim, image.shape[1] - rim))
    image = np.asarray(gaussian_filter(image, BLUR_PX), np.float32)
    still = np.asarray(gaussian_filter(prediction, BLUR_PX)[inner], np.float32)
    level, scale = float(still.mean()), float(still.std())
    if min(float(image.std()), scale) <= _FLAT * max(float(np.abs(image).max()), float(np.abs(still).max()), 1e-30):
        return None
    # Unknowns of about one unit each, whatever the intensities.
    image, still = (image - level) / scale, (still - level) / scale
    shift = np.zeros(2)
    weights = np.ones(still.shape, np.float32)
    for _ in range(_STEPS):
        moved = shifted(image, (float(shift[0]), float(shift[1])))
        down, across = np.gradient(moved, axis=0)[inner], np.gradient(moved, axis=1)[inner]
        design = np.stack([down, across, still, np.ones_like(still)], axis=-1)
        found = _equations(shift, design, moved[inner], weights)
        step = np.linalg.lstsq(found.normal.sum((0, 1)), found.right.sum((0, 1)), rcond=_RCOND)[0]
        shift = shift - np.clip(step[:2], -1, 1)
        residual = np.abs(moved[inner] - design @ step.astype(np.float32))
        weights = 1 / (1 + (residual / max(_OUTLIER * float(np.median(residual)), _FLAT)) ** 2)
    return found


def half_of(image: FloatArray, half: Half) -> FloatArray:
    """That half of an image (Y, X)."""
    y, x = (side // 2 for side in image.shape)
    return {"top": image[:y], "bottom": image[y:], "left": image[:, :x], "right": image[:, x:]}[half]


def _equations(start: DoubleArray, design: FloatArray, target: FloatArray, weights: FloatArray) -> Registration:
    normal, right = np.empty((2, 2, 4, 4)), np.empty((2, 2, 4))
    y, x = (side // 2 for side in target.shape)
    for row, rows in enumerate((slice(0, y), slice(y, None))):
        for column, columns in enumerate((slice(0, x), slice(x, None))):
            part = design[rows, columns].reshape(-1, 4)
            weighted = part * weights[rows, columns].reshape(-1, 1)
            normal[row, column] = weighted.T @ part
            right[row, column] = weighted.T @ target[rows, columns].ravel()
    return Registration(start, normal, right)


def _quarters(half: Half | None) -> tuple[slice, slice]:
    every, first, second = slice(None), slice(0, 1), slice(1, 2)
    if half is None:
        return every, every
    return {"top": (first, every), "bottom": (second, every), "left": (every, first), "right": (every, second)}[half]
