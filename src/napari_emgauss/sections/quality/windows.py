"""Small float images of large sections, so that looking at a stack costs little whatever its size.

A section is looked at in windows, an array (rows, columns, Y, X): one in its middle, or, where that would be too small
a part of it, two along each long side, which together have as many pixels.
"""

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
LONG = 2
"""A side of more than so many windows is no longer spoken for by its middle."""


def places(shape: tuple[int, ...], max_side_px: int) -> list[list[Region]]:
    """Return where a section (Y, X) is looked at: rows of equal regions, as many pixels as its middle would have.

    A side of up to ``LONG`` times ``max_side_px`` is looked at in its middle, or whole; a longer one in the middle of
    each of its halves. There are one, two or four regions.
    """
    _check_side(max_side_px)
    rows, columns = (_spans(side, max_side_px) for side in shape)
    return [[(*along_y, *along_x) for along_x in columns] for along_y in rows]


def _spans(side: int, max_side_px: int) -> list[tuple[int, int]]:
    length, middles = min(side, max_side_px), [side // 2]
    if side > LONG * max_side_px:
        length, middles = max_side_px // 2, [side // 4, side - side // 4]
    return [(middle - length // 2, middle - length // 2 + length) for middle in middles]


def windows_of(image: AnyArray, max_side_px: int) -> FloatArray:
    """Return what a section shows at its `places`, (rows, columns, Y, X), at full resolution."""
    return _stacked(places(image.shape, max_side_px), lambda region: image[slice(*region[:2]), slice(*region[2:])])


def read_windows(volume: Volume, index: int, max_side_px: int) -> FloatArray:
    """Read `windows_of` section ``index``, NaN and infinite values included, and nothing else."""
    return _stacked(places(volume.shape[1:], max_side_px), lambda region: volume.recorded(index, region))


def window_reader(volume: Volume, max_side_px: int) -> Callable[[int], FloatArray]:
    """Return a function that gives `windows_of` a section, for a stack that is walked along several times.

    Windows stay in memory in the volume's own type as long as all of them need no more than `KEPT_BYTES`: a stack of
    large sections on a slow disk is then read once.

    Raises
    ------
    VolumeError
        When a window has NaN or infinite values.
    """
    regions = places(volume.shape[1:], max_side_px)
    px = sum((y1 - y0) * (x1 - x0) for row in regions for y0, y1, x0, x1 in row)
    fits = volume.n_sections * px * volume.dtype.itemsize <= KEPT_BYTES

    @lru_cache(maxsize=None if fits else 4)
    def kept(index: int) -> AnyArray:
        return np.array([[volume.section(index, region) for region in row] for row in regions])

    return lambda index: kept(index).astype(np.float32)


def each_window(function: Callable[..., FloatArray], *images: FloatArray) -> FloatArray:
    """Apply a function of images (Y, X) to every window of ``images`` (rows, columns, Y, X)."""
    rows, columns = images[0].shape[:2]
    return np.asarray(
        [[function(*(image[row, column] for image in images)) for column in range(columns)] for row in range(rows)]
    )


def _stacked(regions: list[list[Region]], part: Callable[[Region], AnyArray]) -> FloatArray:
    return np.array([[part(region) for region in row] for row in regions], np.float32)


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
