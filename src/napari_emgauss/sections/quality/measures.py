"""Measurements of a section, and of three that follow each other, that tell whether one is damaged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.sections.quality.alignment import smoothed
from napari_emgauss.sections.quality.noise import noise_level
from napari_emgauss.sections.quality.standard import standardised
from napari_emgauss.sections.quality.windows import central_window, thumbnail

CHANCE_PX = 16.0
"""Over a field of side s, shares and correlations vary by chance by up to this / s (measured on healthy tissue)."""
_BLOCK_PX = 8
_PATCH_BLUR_PX = 6.0
_PATCH_SPREADS = 0.5
_PATCH_SCALES = 4.0
_TAIL = 0.05
_WHITE_NOISE_LEFT = 0.141  # what Gaussian blur of σ 2 px leaves of white noise: 1 / (2 σ √π)


@dataclass(frozen=True)
class SectionMeasures:
    """Numbers of one section, in the stack's intensity units."""

    mean: float
    spread: float
    noise: float
    sharpness: float
    """Natural logarithm of the variance of fine structure over that of coarse structure."""
    extreme_share: float
    """Share of pixels that have exactly the lowest or highest intensity of the section."""
    flat_share: float
    """Share of 8 × 8 px blocks without any texture."""
    is_blank: bool
    n_unusable_px: int
    """Pixels that are no intensities: NaN, infinite or absurdly far from all others."""
    side_px: float
    """Side of a square as large as the thumbnail."""


@dataclass(frozen=True)
class SectionLook:
    """Numbers of one section, and small images of it."""

    measures: SectionMeasures
    blurred: FloatArray
    """Thumbnail as `match` wants it."""
    patches: FloatArray
    """Thumbnail in which only things larger than cells' walls are left, on a scale free of gain and offset."""


def look_at(section: AnyArray, max_side_px: int) -> SectionLook:
    """Measure one section (Y, X) of any type; NaN, infinite and absurd values count as the median of the others."""
    standard = standardised(section)
    section, scale = standard.image, standard.scale
    window, small = central_window(section, max_side_px), thumbnail(section, max_side_px)
    noise, spread, blurred = noise_level(window), float(small.std(dtype=np.float64)), smoothed(small)
    structure, flat_share = float(blurred.std(dtype=np.float64)), _flat_share(small)
    magnitude = max(1e-6 * float(np.abs(small).max()), 1e-30)
    is_blank = flat_share > 0.9 or structure < max(2 * _WHITE_NOISE_LEFT * float(noise_level(small)), magnitude)
    measures = SectionMeasures(
        mean=standard.centre + scale * float(small.mean(dtype=np.float64)),
        spread=scale * spread,
        noise=scale * noise,
        sharpness=_sharpness(window),
        extreme_share=float(np.mean((section == section.min()) | (section == section.max()))),
        flat_share=flat_share,
        is_blank=is_blank,
        n_unusable_px=standard.n_unusable_px,
        side_px=math.sqrt(small.size),
    )
    return SectionLook(measures, blurred, _patches(small))


def odd_share(below: SectionLook, section: SectionLook, above: SectionLook) -> float:
    """Return the share (0..1) much darker or brighter than in both neighbours: folds, tears, dirt, gaps.

    'Much' is four times the usual difference of the two neighbours and half the spread of intensities, in patches
    larger than cells' walls: tissue that appears, ends or moves differs from one neighbour only, or by less. Where
    tissue changes too much for that, the share that is as dark as the darkest twentieth of the neighbours, or as bright
    as the brightest, counts if it is larger than chance makes it in a field of this size.
    """
    first, second = (_level_difference(section.patches, other.patches) for other in (below, above))
    usual = 1.4826 * float(np.median(np.abs(_level_difference(above.patches, below.patches))))
    limit = max(_PATCH_SCALES * usual, _PATCH_SPREADS)
    odd = ((first > limit) & (second > limit)) | ((first < -limit) & (second < -limit))
    return max(float(odd.mean()), _extreme_excess(section.patches, below.patches, above.patches))


def _extreme_excess(patches: FloatArray, *others: FloatArray) -> float:
    tails = np.array([np.quantile(other - np.median(other), (_TAIL, 1 - _TAIL)) for other in others])
    centred = patches - np.median(patches)
    shares = float(np.mean(centred < tails[:, 0].min())), float(np.mean(centred > tails[:, 1].max()))
    share = max(shares)
    return share if share > _TAIL + CHANCE_PX / math.sqrt(patches.size) else 0.0


def _level_difference(first: FloatArray, second: FloatArray) -> FloatArray:
    difference = first - second
    return np.asarray(difference - np.median(difference), np.float32)


def _patches(small: FloatArray) -> FloatArray:
    """Set the median and robust spread of an image to 0 and 1, and low-pass it."""
    middle = float(np.median(small))
    scale = 1.4826 * float(np.median(np.abs(small - middle)))
    return np.asarray(gaussian_filter((small - middle) / (scale or 1.0), _PATCH_BLUR_PX), np.float32)


def _sharpness(window: FloatArray) -> float:
    octaves = [gaussian_filter(window, sigma_px) for sigma_px in (1.0, 2.0, 4.0, 8.0)]
    fine, coarse = float((octaves[0] - octaves[1]).var()), float((octaves[2] - octaves[3]).var())
    return math.log(max(fine, 1e-30) / max(coarse, 1e-30))


def _flat_share(small: FloatArray) -> float:
    height, width = (side // _BLOCK_PX * _BLOCK_PX for side in small.shape)
    blocks = small[:height, :width].reshape(height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX, _BLOCK_PX)
    texture = blocks.std(axis=(1, 3))
    return float(np.mean(texture <= 1e-6 * float(np.abs(small).max())))
