"""Similarity of two sections, and the shift of one against the other."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import FloatArray

MATCH_BLUR_PX = 2.0
"""Gaussian σ that takes out noise before two sections are compared; it also makes the peak wide enough to fit."""


@dataclass(frozen=True)
class Match:
    """Best agreement of two images over small shifts."""

    similarity: float
    """Normalised correlation coefficient at the best shift, -1..1; blind to gain and offset. 0 if either is flat."""

    y_px: float
    """Rows by which the content of the second lies further down than that of the first."""

    x_px: float
    """Columns by which the content of the second lies further right than that of the first."""


def smoothed(image: FloatArray) -> FloatArray:
    """Blur an image (Y, X) for `match`."""
    return np.asarray(gaussian_filter(image, MATCH_BLUR_PX), np.float32)


def match(first: FloatArray, second: FloatArray, reach_px: int) -> Match:
    """Compare two `smoothed` images (Y, X) over all shifts of up to ``reach_px``, with a parabola through the peak.

    The middle of ``first`` is moved over ``second``, so that every shift is judged on the same pixels of ``first``.
    The reach is cut to a quarter of the smaller side.
    """
    reach = max(1, min(reach_px, min(first.shape) // 4))
    middle = first[reach:-reach, reach:-reach]
    scale = max(float(np.abs(first).max()), float(np.abs(second).max()), 1e-30)
    if min(float(middle.std()), float(second.std())) <= 1e-5 * scale:
        return Match(0.0, 0.0, 0.0)
    surface = np.asarray(cv2.matchTemplate(second, np.ascontiguousarray(middle), cv2.TM_CCOEFF_NORMED), np.float32)
    row, column = np.unravel_index(int(np.argmax(surface)), surface.shape)
    dy, peak_y = _parabola(surface[:, column], int(row))
    dx, peak_x = _parabola(surface[row, :], int(column))
    return Match(min(1.0, max(peak_y, peak_x)), float(row + dy - reach), float(column + dx - reach))


def _parabola(values: FloatArray, at: int) -> tuple[float, float]:
    """Return offset and height of the vertex through the three values around ``at``; no offset at an end."""
    if not 0 < at < values.size - 1:
        return 0.0, float(values[at])
    before, here, after = (float(v) for v in values[at - 1 : at + 2])
    bend = before - 2 * here + after
    if bend >= 0:
        return 0.0, here
    offset = 0.5 * (before - after) / bend
    return offset, here - 0.25 * (before - after) * offset
