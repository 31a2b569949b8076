"""Measurements of a section, and of three that follow each other, that tell whether one is damaged."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, gaussian_filter

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.sections.quality.alignment import smoothed
from napari_emgauss.sections.quality.noise import mean_noise_level, noise_level
from napari_emgauss.sections.quality.standard import StandardSection, standardised
from napari_emgauss.sections.quality.windows import read_windows, thumbnail, windows_of
from napari_emgauss.volume import BAND_ROWS, Volume

CHANCE_PX = 16.0
"""Over a field of side s, shares and correlations vary by chance by up to this / s (measured on healthy tissue)."""
_BLOCK_PX = 8
_GROWTH_BLOCKS = 2
_GROUND_SHARE = 0.9  # of the flat blocks
_LEAST_TISSUE = 0.05
_PATCH_BLUR_PX = 6.0
_PATCH_SPREADS = 0.5
_PATCH_SCALES = 4.0
_TAIL = 0.05
_FAINT = 2.0  # times what is left of white noise
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
    is_constant: bool
    signal: float
    """Standard deviation of what a blur leaves of the section, where what it leaves of white noise counts as 1."""
    n_unusable_px: int
    """Pixels that are no intensities: NaN, infinite or absurdly far from all others."""
    side_px: float
    """Side of a square as large as the thumbnail."""

    @property
    def is_faint(self) -> bool:
        """Whether there is nothing, or so little beside the noise, that it can be compared with no other section."""
        return self.is_constant or self.signal < _FAINT


@dataclass(frozen=True)
class SectionLook:
    """Numbers of one section, and small images of it."""

    measures: SectionMeasures
    blurred: FloatArray
    """Thumbnail as `match` wants it."""
    patches: FloatArray
    """Thumbnail in which only things larger than cells' walls are left, on a scale free of gain and offset."""
    flat: npt.NDArray[np.bool_]
    """Which blocks of 8 × 8 px of the thumbnail have no texture at all."""
    ground: npt.NDArray[np.bool_]
    """Which of them have the one intensity on which tissue lies; none, where there are several."""
    tissue_spread: float
    """Robust spread of what is no ground, on the scale of ``patches``."""


def look_at(section: AnyArray, max_side_px: int) -> SectionLook:
    """Measure one section (Y, X) of any type; NaN, infinite and absurd values count as the median of the others."""
    standard = standardised(section)
    image, extremes = standard.image, _Extremes()
    extremes.see(image)
    return _look(standard, windows_of(image, max_side_px), thumbnail(image, max_side_px), extremes)


def look_in_bands(volume: Volume, index: int, max_side_px: int) -> SectionLook:
    """Measure a section that is too large to be held whole.

    Differs from `look_at` by the scale of intensities that are floats, which is that of the windows, and by a thumbnail
    that is averaged in two steps.
    """
    windows, bands = read_windows(volume, index, max_side_px), volume.bands()
    sample = windows.reshape(-1, windows.shape[-1]).astype(volume.dtype)
    standard, extremes, coarse, n_unusable_px = standardised(sample), _Extremes(), list[FloatArray](), 0
    side = 2 ** int(math.log2(max(1, min(BAND_ROWS, max(volume.shape[1:]) // max_side_px))))
    for band in bands:
        part = standardised(volume.recorded(index, band), sample)
        n_unusable_px += part.n_unusable_px
        extremes.see(part.image)
        rows, columns = (length // side for length in part.image.shape)
        cells = part.image[: rows * side, : columns * side].reshape(rows, side, columns, side)
        coarse.append(cells.mean(axis=(1, 3), dtype=np.float32))
    small = thumbnail(np.concatenate(coarse), max_side_px)
    whole = replace(standard, n_unusable_px=n_unusable_px)
    return _look(whole, standard.image.reshape(windows.shape), small, extremes)


class _Extremes:
    """Counter of the pixels that have exactly the lowest or the highest intensity."""

    def __init__(self) -> None:
        self._counts, self._n = Counter[float](), 0

    def see(self, image: FloatArray) -> None:
        """Count those of a part of the section."""
        self._n += image.size
        for value in {float(image.min()), float(image.max())}:
            self._counts[value] += int((image == value).sum())

    @property
    def share(self) -> float:
        """Their share of all pixels."""
        return sum(self._counts[value] for value in {min(self._counts), max(self._counts)}) / self._n


def _look(standard: StandardSection, windows: FloatArray, small: FloatArray, extremes: _Extremes) -> SectionLook:
    noise, scale = mean_noise_level(windows), standard.scale
    spread, blurred = float(small.std(dtype=np.float64)), smoothed(small)
    structure, (flat, ground) = float(blurred.std(dtype=np.float64)), _flat_and_ground(small)
    magnitude = max(1e-6 * float(np.abs(small).max()), 1e-30)
    measures = SectionMeasures(
        mean=standard.centre + scale * float(small.mean(dtype=np.float64)),
        spread=scale * spread,
        noise=scale * noise,
        sharpness=_sharpness(windows),
        extreme_share=extremes.share,
        is_constant=float(flat.mean()) > 0.9 or structure < magnitude,
        signal=structure / max(_WHITE_NOISE_LEFT * float(noise_level(small)), 1e-30),
        n_unusable_px=standard.n_unusable_px,
        side_px=math.sqrt(small.size),
    )
    patches, tissue_spread = _patches(small, ground)
    return SectionLook(measures, blurred, patches, flat, ground, tissue_spread)


def odd_share(below: SectionLook, section: SectionLook, above: SectionLook) -> float:
    """Return the share (0..1) much darker or brighter than in both neighbours, or only there flat: folds, tears, gaps.

    'Much' is four times the usual difference of the two neighbours and half the spread of intensities, in patches
    larger than cells' walls: tissue that appears, ends or moves differs from one neighbour only, or by less. Where
    tissue changes too much for that, the share that differs by half the spread and is as dark as the darkest twentieth
    of the neighbours, or as bright as the brightest, counts if it is larger than chance makes it in a field of this
    size. The ground on which tissue lies, in a neighbour too, does not.
    """
    looks = section, below, above
    ground = _pixels(section.ground & (below.ground | above.ground), section.patches.shape)
    lie_on_ground = all(look.ground.any() for look in looks)
    tissue = ~ground if lie_on_ground else np.ones_like(ground)
    middle, *others = (look.patches / look.tissue_spread if lie_on_ground else look.patches for look in looks)
    first, second = (np.where(tissue, _level_difference(middle, other, tissue), 0) for other in others)
    usual = 1.4826 * float(np.median(np.abs(_level_difference(others[1], others[0], tissue)[tissue])))
    limit = max(_PATCH_SCALES * usual, _PATCH_SPREADS)
    odd = ((first > limit) & (second > limit)) | ((first < -limit) & (second < -limit))
    torn = section.flat & ~below.flat & ~above.flat
    return max(float(odd.mean()), float(torn.mean()), _extreme_excess(np.stack([first, second]), np.stack(others)))


def torn_end(section: SectionLook, neighbour: SectionLook) -> float:
    """Return the share (0..1) of a first or last section that is flat, and not near what is flat in its neighbour.

    Where tissue ends on a ground without texture, that grows from section to section.
    """
    return float((section.flat & ~binary_dilation(neighbour.flat, iterations=_GROWTH_BLOCKS)).mean())


def _extreme_excess(differences: FloatArray, others: FloatArray) -> float:
    # Where there are two intensities a median jumps between them; that of a difference does not.
    low, high = np.quantile(others, (_TAIL, 1 - _TAIL), axis=(1, 2), keepdims=True)
    darker = (differences + others < low) & (differences < -_PATCH_SPREADS)
    brighter = (differences + others > high) & (differences > _PATCH_SPREADS)
    share = max(float(np.all(part, axis=0).mean()) for part in (darker, brighter))
    return share if share > _TAIL + CHANCE_PX / math.sqrt(differences[0].size) else 0.0


def _level_difference(first: FloatArray, second: FloatArray, tissue: npt.NDArray[np.bool_]) -> FloatArray:
    difference = first - second
    return np.asarray(difference - np.median(difference[tissue]), np.float32)


def _patches(small: FloatArray, ground: npt.NDArray[np.bool_]) -> tuple[FloatArray, float]:
    """Set median and robust spread of an image to 0 and 1, and low-pass it; also return the spread of its tissue."""
    middle, scale = _middle_and_spread(small)
    tissue = small[~_pixels(ground, small.shape)]
    _, tissue_scale = _middle_and_spread(tissue) if tissue.size >= _LEAST_TISSUE * small.size else (middle, scale)
    low = gaussian_filter((small - middle) / (scale or 1.0), _PATCH_BLUR_PX)
    return np.asarray(low, np.float32), (tissue_scale or 1.0) / (scale or 1.0)


def _middle_and_spread(image: FloatArray) -> tuple[float, float]:
    middle = float(np.median(image))
    off = np.abs(image - middle)
    # Of a normal distribution both are its standard deviation; of two intensities the median may be 0.
    return middle, max(1.4826 * float(np.median(off)), 0.5 * 1.2533 * float(off.mean()))


def _pixels(blocks: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    pixels = np.repeat(np.repeat(blocks, _BLOCK_PX, axis=0), _BLOCK_PX, axis=1)
    return np.pad(pixels, [(0, side - n) for side, n in zip(shape, pixels.shape, strict=True)], mode="edge")


def _sharpness(windows: FloatArray) -> float:
    fine, coarse = np.mean([_octaves(window) for row in windows for window in row], axis=0)
    return math.log(max(float(fine), 1e-30) / max(float(coarse), 1e-30))


def _octaves(window: FloatArray) -> tuple[float, float]:
    """Return the variance of fine structure, and of coarse structure."""
    blurred = [gaussian_filter(window, sigma_px) for sigma_px in (1.0, 2.0, 4.0, 8.0)]
    return float((blurred[0] - blurred[1]).var()), float((blurred[2] - blurred[3]).var())


def _flat_and_ground(small: FloatArray) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which blocks have no texture, and which of them one and the same intensity, if most do."""
    height, width = (side // _BLOCK_PX * _BLOCK_PX for side in small.shape)
    blocks = small[:height, :width].reshape(height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX, _BLOCK_PX)
    tolerance = 1e-6 * float(np.abs(small).max())
    flat = np.asarray(blocks.std(axis=(1, 3)) <= tolerance, np.bool_)
    level = blocks[:, 0, :, 0]
    ground = flat & (np.abs(level - np.median(level[flat])) <= 2 * tolerance) if flat.any() else flat
    return flat, ground if ground.sum() >= _GROUND_SHARE * flat.sum() else np.zeros_like(flat)
