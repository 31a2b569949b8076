"""Small float images of large sections, so that looking at a stack costs little whatever its size."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np

from napari_emgauss._types import AnyArray, FloatArray, Region
from napari_emgauss.errors import ConfigError
from napari_emgauss.volume import MIN_SECTION_PX, Volume

KEPT_BYTES = 256 * 2**20
"""Memory for windows of a stack; 1,000 windows of 512 × 512 px in 8 bits."""


def central_region(shape: tuple[int, ...], max_side_px: int) -> Region:
    """Return the middle ``max_side_px`` rows and columns of a section, or all of fewer."""
    _check_side(max_side_px)
    (y0, x0), (height, width) = (max(0, (side - max_side_px) // 2) for side in shape), shape
    return y0, min(y0 + max_side_px, height), x0, min(x0 + max_side_px, width)


def central_window(image: AnyArray, max_side_px: int) -> FloatArray:
    """Return the `central_region` of a section at full resolution, float32."""
    y0, y1, x0, x1 = central_region(image.shape, max_side_px)
    return np.ascontiguousarray(image[y0:y1, x0:x1], np.float32)


def read_window(volume: Volume, index: int, max_side_px: int) -> FloatArray:
    """Read the `central_window` of section ``index``, NaN and infinite values included, and nothing else."""
    return volume.recorded(index, central_region(volume.shape[1:], max_side_px)).astype(np.float32, order="C")


def window_reader(volume: Volume, max_side_px: int) -> Callable[[int], FloatArray]:
    """Return a function that gives the `central_window` of a section, for a stack that is walked along several times.

    Windows stay in memory in the volume's own type as long as all of them need no more than `KEPT_BYTES`: a stack of
    large sections on a slow disk is then read once.

    Raises
    ------
    VolumeError
        When a window has NaN or infinite values.
    """
    region = y0, y1, x0, x1 = central_region(volume.shape[1:], max_side_px)
    window_bytes = (y1 - y0) * (x1 - x0) * volume.dtype.itemsize
    fits = volume.n_sections * window_bytes <= KEPT_BYTES

    @lru_cache(maxsize=None if fits else 4)
    def kept(index: int) -> AnyArray:
        return np.array(volume.section(index, region))

    return lambda index: kept(index).astype(np.float32)


def thumbnail(image: AnyArray, max_side_px: int) -> FloatArray:
    """Return the whole section, block-averaged so that no side exceeds ``max_side_px``, float32."""
    _check_side(max_side_px)
    height, width = image.shape
    if max(height, width) <= max_side_px:
        return np.ascontiguousarray(image, np.float32)
    share = max_side_px / max(height, width)
    size = max(MIN_SECTION_PX, round(width * share)), max(MIN_SECTION_PX, round(height * share))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def even_choice(n: int, at_most: int) -> tuple[int, ...]:
    """Return at most ``at_most`` indices below ``n``, evenly spread, the same at every call."""
    if at_most < 1:
        raise ConfigError(f"max_sections must be at least 1, got {at_most}.")
    return tuple(int(i) for i in np.unique(np.linspace(0, n - 1, min(n, at_most)).round()))


def _check_side(max_side_px: int) -> None:
    if max_side_px < 2 * MIN_SECTION_PX:
        raise ConfigError(f"max_side_px must be at least {2 * MIN_SECTION_PX}, got {max_side_px}. The default is 512.")
