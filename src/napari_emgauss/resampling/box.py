"""Boxes of a stack: checks of section coordinates, regions and indices."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from napari_emgauss._types import Region
from napari_emgauss.errors import ConfigError, SectionRangeError
from napari_emgauss.resampling.protocol import Renderable

SLACK = 1e-6
"""Tolerance on section coordinates and counts of voxels, which come from lengths in floating point."""
Ranges = tuple[range, range, range]


def check_z(z: float, source: Renderable) -> float:
    """Return ``z`` as a number within the sections of ``source``.

    Raises
    ------
    SectionRangeError
        It is outside of them, or not a finite number.
    """
    low, high = source.z_range
    value = float(z)
    if not (math.isfinite(value) and low - SLACK <= value <= high + SLACK):
        raise SectionRangeError(
            f"z must be within {low:g}..{high:g} (section coordinates of {source.shape[0]} sections), got {z}. "
            f"For a depth in nm divide by {source.voxel_size_nm[0]:g}."
        )
    return min(max(value, low), high)


def check_z_range(z_range: tuple[float, float] | None, limits: tuple[float, float]) -> tuple[float, float]:
    """Return a first and a last section coordinate within ``limits``, which are the default.

    Raises
    ------
    SectionRangeError
        They lie outside, or in the wrong order.
    """
    if z_range is None:
        return limits
    first, last = (float(z) for z in z_range)
    if not limits[0] <= first < last <= limits[1]:
        raise SectionRangeError(
            f"z_range must be a first and a later last section within {limits[0]:g}..{limits[1]:g}, got {z_range}."
        )
    return first, last


def check_region(region: Region | None, size: tuple[int, int]) -> Region:
    """Return pixels (y0, y1, x0, x1) of a section of ``size`` (Y, X); all of them by default.

    Raises
    ------
    ConfigError
        They are not four whole numbers, or lie outside the section, or are none.
    """
    height, width = size
    if region is None:
        return 0, height, 0, width
    if len(region) != 4:
        raise ConfigError(f"region must be (y0, y1, x0, x1), got {region}.")
    y0, y1, x0, x1 = (int(v) if math.isfinite(v) else -1 for v in region)
    if not ((y0, y1, x0, x1) == tuple(region) and 0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
        raise ConfigError(
            f"region must be whole pixels (y0, y1, x0, x1) with 0 <= y0 < y1 <= {height} and "
            f"0 <= x0 < x1 <= {width}, got {region}."
        )
    return y0, y1, x0, x1


def box_of(key: Any, shape: Sequence[int]) -> tuple[Ranges, tuple[bool, bool, bool]]:
    """Return the indices along each axis that ``key`` asks for, and which axes it drops.

    Raises
    ------
    IndexError
        An index outside the array, too many of them, or something else than integers, slices and ``...``.
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(k is Ellipsis for k in keys):
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (len(shape) - len(keys) + 1)
    keys += [slice(None)] * (len(shape) - len(keys))
    if len(keys) != len(shape):
        raise IndexError(f"the array has {len(shape)} axes, but {len(keys)} were indexed by {key!r}.")
    ranges, dropped = [], []
    for k, size in zip(keys, shape, strict=True):
        dropped.append(not isinstance(k, slice))
        try:
            chosen = range(size)[k if isinstance(k, slice) else operator.index(k)]
        except TypeError:
            raise IndexError(f"only integers, slices and ... can index planes drawn on demand, got {k!r}.") from None
        ranges.append(chosen if isinstance(chosen, range) else range(chosen, chosen + 1))
    return (ranges[0], ranges[1], ranges[2]), (dropped[0], dropped[1], dropped[2])
