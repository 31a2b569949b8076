"""Registration of one image in another, to a fraction of a pixel, by the whole field and by each half of it.

The field is what windows (rows, columns, Y, X) show of a section: one or two along each axis. The half of a field is
one of two windows, or half of the only one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Literal, get_args

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import FloatArray
from napari_emgauss.sections.correction.corrections import shifted
from napari_emgauss.sections.correction.second_differences import DoubleArray
from napari_emgauss.sections.quality.windows import each_window

BLUR_PX = 1.5
"""Gaussian σ before two images are compared: takes out noise, and lets gradients reach a few pixels far."""
FieldHalf = Literal["top", "bottom", "left", "right"]
HALVES: tuple[FieldHalf, ...] = get_args(FieldHalf)
OPPOSITE: dict[FieldHalf, FieldHalf] = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}
_BLUR = (0.0, 0.0, BLUR_PX, BLUR_PX)
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
    """Register ``image`` against ``prediction``, both (rows, columns, Y, X), by Gauss-Newton steps with few outliers.

    Least squares of image(y + d) - (gain · prediction + offset), blurred by `BLUR_PX`: blind to brightness, and exact
    where matching small tiles finds only the best of many likenesses. Displacements of up to about 4 px are found.

    Returns
    -------
    Registration
        None where an image is flat.
    """
    height, width = image.shape[2:]
    rim = min(_RIM_PX, min(height, width) // 8)
    inner = (..., slice(rim, height - rim), slice(rim, width - rim))
    image = np.asarray(gaussian_filter(image, _BLUR), np.float32)
    still = np.asarray(gaussian_filter(prediction, _BLUR)[inner], np.float32)
    level, scale = float(still.mean(dtype=np.float64)), float(still.std(dtype=np.float64))
    largest = max(float(np.abs(image).max()), float(np.abs(still).max()), 1e-30)
    if min(float(image.std(dtype=np.float64)), scale) <= _FLAT * largest:
        return None
    # Unknowns of about one unit each, whatever the intensities.
    image, still = (image - level) / scale, (still - level) / scale
    shift = np.zeros(2)
    weights = np.ones(still.shape, np.float32)
    for _ in range(_STEPS):
        by_px = float(shift[0]), float(shift[1])
        moved = each_window(partial(shifted, by_px=by_px), image)
        down, across = np.gradient(moved, axis=2)[inner], np.gradient(moved, axis=3)[inner]
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
    for row, column in product((0, 1), (0, 1)):
        part, own, wanted = (_halved(_halved(a, 0, row), 1, column) for a in (design, weights, target))
        part = part.reshape(-1, 4)
        weighted = part * own.reshape(-1, 1)
        normal[row, column] = weighted.T @ part
        right[row, column] = weighted.T @ wanted.ravel()
    return normal, right


def half_of(field: FloatArray, half: FieldHalf) -> FloatArray:
    """Return that half of a field (rows, columns, Y, X)."""
    return _halved(field, int(half in ("left", "right")), int(half in ("bottom", "right")))


def _halved(field: FloatArray, axis: int, which: int) -> FloatArray:
    """Return the first or second half of a field along y (0) or x (1): of its windows, or of the pixels of the one."""
    if field.shape[axis] == 1:
        axis += 2
    middle = field.shape[axis] // 2
    return field[(slice(None),) * axis + ((slice(0, middle), slice(middle, None))[which],)]
