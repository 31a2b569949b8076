"""Sections on a scale of their own, so that no judgement depends on the unit of their intensities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.volume import BAND_ROWS

FAR = 1e4
"""Pixels further from the median than so many times the range of nearly all others are no intensities."""
LARGEST = 1e37
"""Larger numbers are no intensities either: sums and differences of a few would be infinite."""
_SAMPLED_PX = 2**18
_PERCENTILES = (0.1, 50, 99.9)
_ROUNDING = 8 * float(np.finfo(np.float32).eps)
"""A range below this share of the intensities themselves is rounding."""


@dataclass(frozen=True)
class StandardSection:
    """A section as (intensity - centre) / scale, without pixels that are no intensities."""

    image: FloatArray
    """(Y, X), mostly within ±1; 0 where the section held no intensity."""
    centre: float
    scale: float
    """Positive, in the stack's intensity units; nearly all of the section lies within ±scale around the centre."""
    n_unusable_px: int
    """Pixels that were NaN, infinite or far beyond all others."""


def standardised(section: AnyArray, sample: AnyArray | None = None) -> StandardSection:
    """Bring a section (Y, X) of any type to a scale of its own; one of integers keeps its intensities.

    The scale is that of ``sample``, if this is a part of a section.
    """
    if section.dtype.kind != "f":
        return StandardSection(np.ascontiguousarray(section, np.float32), 0.0, 1.0, 0)
    centre, scale = _range(section if sample is None else sample)
    image = np.empty(section.shape, np.float32)
    n_unusable_px = 0
    for top in range(0, len(section), BAND_ROWS):
        band = section[top : top + BAND_ROWS].astype(np.float64) - centre
        band /= scale
        usable = (np.abs(band) <= FAR) & (np.abs(section[top : top + BAND_ROWS]) <= LARGEST)  # false for NaN too
        n_unusable_px += band.size - int(usable.sum())
        image[top : top + BAND_ROWS] = np.where(usable, band, 0)
    if scale <= _ROUNDING * abs(centre):
        image[:] = 0
    return StandardSection(image, centre, scale, n_unusable_px)


def _range(section: AnyArray) -> tuple[float, float]:
    """Return the median, and how far nearly all pixels lie from it at most."""
    sample = section.ravel()[:: max(1, section.size // _SAMPLED_PX)].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    low, middle, high = (float(v) for v in np.percentile(sample, _PERCENTILES))
    scale = max(high - middle, middle - low) or float(np.abs(sample - middle).max())
    return middle, scale or 1.0
