"""Small float images of large sections, so that looking at a stack costs little whatever its size."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import ConfigError
from napari_emgauss.volume import MIN_SECTION_PX, Volume

KEPT_BYTES = 256 * 2**20
"""Memory for windows of a stack; 1,000 windows of 512 × 512 px in 8 bits."""


def read_section(volume: Volume, index: int) -> AnyArray:
    """Section ``index`` (Y, X) in its own type, NaN and infinite values included: judging them is the point here."""
    return np.asarray(volume.data[index])


def central_window(image: AnyArray, max_side_px: int) -> FloatArray:
    """The middle ``max_side_px`` rows and columns at full resolution, float32."""
    return np.ascontiguousarray(_middle(image, max_side_px), np.float32)


def window_reader(volume: Volume, max_side_px: int) -> Callable[[int], FloatArray]:
    """Gives the `central_window` of a section by its index, for a stack that is walked along several times.

    Windows stay in memory in the volume's own type as long as all of them need no more than `KEPT_BYTES`: a stack of
    large sections on a slow disk is then read once.

    Raises
    ------
    VolumeError
        When a section has NaN or infinite values.
    """
    window_bytes = int(np.prod([min(side, max_side_px) for side in volume.shape[1:]])) * volume.dtype.itemsize
    fits = volume.n_sections * window_bytes <= KEPT_BYTES

    @lru_cache(maxsize=None if fits else 4)
    def kept(index: int) -> AnyArray:
        return np.array(_middle(volume.section(index), max_side_px))

    return lambda index: kept(index).astype(np.float32)


def thumbnail(image: AnyArray, max_side_px: int) -> FloatArray:
    """The whole section, block-averaged so that no side exceeds ``max_side_px``, float32."""
    _check_side(max_side_px)
    height, width = image.shape
    if max(height, width) <= max_side_px:
        return np.ascontiguousarray(image, np.float32)
    share = max_side_px / max(height, width)
    size = max(MIN_SECTION_PX, round(width * share)), max(MIN_SECTION_PX, round(height * share))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def even_choice(n: int, at_most: int) -> tuple[int, ...]:
    """At most ``at_most`` indices below ``n``, evenly spread, the same at every call."""
    if at_most < 1:
        raise ConfigError(f"max_sections must be at least 1, got {at_most}.")
    return tuple(int(i) for i in np.unique(np.linspace(0, n - 1, min(n, at_most)).round()))


def _middle(image: AnyArray, max_side_px: int) -> AnyArray:
    _check_side(max_side_px)
    y0, x0 = (max(0, (side - max_side_px) // 2) for side in image.shape)
    return image[y0 : y0 + max_side_px, x0 : x0 + max_side_px]


def _check_side(max_side_px: int) -> None:
    if max_side_px < 2 * MIN_SECTION_PX:
        raise ConfigError(f"max_side_px must be at least {2 * MIN_SECTION_PX}, got {max_side_px}. The default is 512.")
