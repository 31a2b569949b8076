"""Registration of one image in another, to a fraction of a pixel, by the whole field and by each half of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import FloatArray
from napari_emgauss.sections.correction.corrections import shifted
from napari_emgauss.sections.correction.second_differences import DoubleArray

BLUR_PX = 1.5
"""Gaussian σ before two images are compared: takes out noise, and lets gradients reach a few pixels far."""
FieldHalf = Literal["top", "bottom", "left", "right"]
HALVES: tuple[FieldHalf, ...] = get_args(FieldHalf)
OPPOSITE: dict[FieldHalf, FieldHalf] = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}
_STEPS = 5
_RIM_PX = 8
_OUTLIER = 2.0
"""A residual of this many times the median counts half."""
_RCOND = 1e-9
_LEAST_SHARE = 0.05
"""A half with less than this share of the field's gradients says nothing by itself."""
_EVERY, _FIRST, _SECOND = slice(None), slice(0, 1), slice(1, 2)
_QUARTERS: dict[FieldHalf, tuple[slice, slice]] = {
    "top": (_FIRST, _EVERY),
    "bottom": (_SECOND, _EVERY),
    "left": (_EVERY, _FIRST),
    "right": (_EVERY, _SECOND),
}
_FLAT = 1e-5
"""A standard deviation below this share of the largest value is rounding."""


@dataclass(frozen=True, eq=False)
class Registration:
    """By how many px (y, x) content lies further down and right than predicted."""

    whole: DoubleArray
    """(2,), in the whole field."""
    halves: dict[FieldHalf, DoubleArray]
    """(2,), in each half, from its own part of the equations; NaN where it has too little structure to say.

    Where they are linearised, and what counts as an outlier, comes from the whole field."""

    @property
    def error(self) -> DoubleArray:
        """Standard error (2,) of the whole field's, from how much opposite halves disagree; infinite if none can."""
        pairs = [self.halves[half] - self.halves[OPPOSITE[half]] for half in ("top", "left")]
        known = [pair for pair in pairs if np.isfinite(pair).all()]
        if not known:
            return np.full(2, np.inf)
        return np.asarray(0.5 * np.sqrt(np.mean(np.square(known), axis=0)))


def register(image: FloatArray, prediction: FloatArray) -> Registration | None:
    """Register ``image`` against ``prediction``, both (Y, X), by Gauss-Newton steps with few outliers.

    Least squares of image(y + d) - (gain · prediction + offset), blurred by `BLUR_PX`: blind to brightness, and exact
    where matching small tiles finds only the best of many likenesses. Displacements of up to about 4 px are found.

    Returns
    -------
    Registration
        None where an image is flat.
    """
    rim = min(_RIM_PX, min(image.shape) // 8)
    inner = (slice(rim, image.shape[0] - rim), slice(rim, image.shape[1] - rim))
    image = np.asarray(gaussian_filter(image, BLUR_PX), np.float32)
    still = np.asarray(gaussian_filter(prediction, BLUR_PX)[inner], np.float32)
    level, scale = float(still.mean(dtype=np.float64)), float(still.std(dtype=np.float64))
    largest = max(float(np.abs(image).max()), float(np.abs(still).max()), 1e-30)
    if min(float(image.std(dtype=np.float64)), scale) <= _FLAT * largest:
        return None
    # Unknowns of about one unit each, whatever the intensities.
    image, still = (image - level) / scale, (still - level) / scale
    shift = np.zeros(2)
    weights = np.ones(still.shape, np.float32)
    for _ in range(_STEPS):
        moved = shifted(image, (float(shift[0]), float(shift[1])))
        down, across = np.gradient(moved, axis=0)[inner], np.gradient(moved, axis=1)[inner]
        design = np.stack([down, across, still, np.ones_like(still)], axis=-1)
        normal, right = _equations(design, moved[inner], weights)
        step = _solved(normal, right)
        start, shift = shift, shift - np.clip(step[:2], -1, 1)
        residual = np.abs(moved[inner] - design @ step.astype(np.float32))
        # Padding fits exactly and would make outliers of everything else.
        structured = down**2 + across**2 > _FLAT
        typical = float(np.median(residual[structured])) if structured.any() else 0.0
        weights = 1 / (1 + (residual / max(_OUTLIER * typical, _FLAT)) ** 2)
    return Registration(shift, {half: _displacement(start, normal, right, half) for half in HALVES})


def _displacement(start: DoubleArray, normal: DoubleArray, right: DoubleArray, half: FieldHalf) -> DoubleArray:
    rows, columns = _QUARTERS[half]
    own, whole = (np.linalg.eigvalsh(n.sum((0, 1))[:2, :2])[0] for n in (normal[rows, columns], normal))
    if own <= _LEAST_SHARE * whole:
        return np.full(2, np.nan)
    return np.asarray(start - _solved(normal[rows, columns], right[rows, columns])[:2])


def _solved(normal: DoubleArray, right: DoubleArray) -> DoubleArray:
    """Solve some quarters' equations for step (y, x), gain and offset; no step in a direction without structure."""
    return np.asarray(np.linalg.lstsq(normal.sum((0, 1)), right.sum((0, 1)), rcond=_RCOND)[0])


def _equations(design: FloatArray, target: FloatArray, weights: FloatArray) -> tuple[DoubleArray, DoubleArray]:
    """Return normal matrices (2, 2, 4, 4) and right-hand sides (2, 2, 4) of the quarters of the field."""
    normal, right = np.empty((2, 2, 4, 4)), np.empty((2, 2, 4))
    y, x = (side // 2 for side in target.shape)
    for row, rows in enumerate((slice(0, y), slice(y, None))):
        for column, columns in enumerate((slice(0, x), slice(x, None))):
            part = design[rows, columns].reshape(-1, 4)
            weighted = part * weights[rows, columns].reshape(-1, 1)
            normal[row, column] = weighted.T @ part
            right[row, column] = weighted.T @ target[rows, columns].ravel()
    return normal, right


def half_of(image: FloatArray, half: FieldHalf) -> FloatArray:
    """Return that half of an image (Y, X)."""
    y, x = (side // 2 for side in image.shape)
    return {"top": image[:y], "bottom": image[y:], "left": image[:, :x], "right": image[:, x:]}[half]
