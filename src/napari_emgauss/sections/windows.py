"""Small float images of large sections, so that looking at a stack costs little whatever its size."""

from __future__ import annotations

import cv2
import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import ConfigError
from napari_emgauss.volume import MIN_SECTION_PX, Volume


def read_section(volume: Volume, index: int) -> AnyArray:
    """Section ``index`` (Y, X) in its own type, NaN and infinite values included: judging them is the point here."""
    return np.asarray(volume.data[index])


def central_window(image: AnyArray, max_side_px: int) -> FloatArray:
    """The middle ``max_side_px`` rows and columns at full resolution, float32."""
    _check_side(max_side_px)
    y0, x0 = (max(0, (side - max_side_px) // 2) for side in image.shape)
    window = image[y0 : y0 + max_side_px, x0 : x0 + max_side_px]
    return np.ascontiguousarray(window, np.float32)


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


def _check_side(max_side_px: int) -> None:
    if max_side_px < 2 * MIN_SECTION_PX:
        raise ConfigError(f"max_side_px must be at least {2 * MIN_SECTION_PX}, got {max_side_px}. The default is 512.")
