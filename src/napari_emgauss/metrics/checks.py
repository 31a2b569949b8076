"""Checks of a metric's two inputs."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import ConfigError, VolumeError


def check_pair(
    a: npt.ArrayLike, b: npt.ArrayLike, *, n_axes: int | None = None, min_size_px: int = 1
) -> tuple[FloatArray, FloatArray]:
    """Return both inputs as float32 arrays of equal shape and finite values, or raise `VolumeError`."""
    first, second = np.asarray(a), np.asarray(b)
    if first.shape != second.shape:
        raise VolumeError(
            f"the two images must have the same shape, got {first.shape} and {second.shape}. Crop or resample one."
        )
    if n_axes is not None and first.ndim != n_axes:
        raise VolumeError(
            f"this metric compares arrays of {n_axes} axes, got shape {first.shape}. Pass one section or volume."
        )
    if first.size == 0 or min(first.shape, default=1) < min_size_px:
        raise VolumeError(
            f"every side must be at least {max(min_size_px, 1)} px, got shape {first.shape}. Use a larger region."
        )
    return _finite(first, "first"), _finite(second, "second")


def check_data_range(data_range: float) -> float:
    """Return ``data_range`` as a float, or raise `ConfigError`."""
    value = float(data_range)
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(
            f"data_range must be positive and finite, got {data_range!r}. Pass 1.0 for images scaled to [0, 1]."
        )
    return value


def _finite(image: AnyArray, which: str) -> FloatArray:
    if image.dtype.kind not in "buif":
        raise VolumeError(f"the {which} image must hold real numbers, got dtype {image.dtype}. Convert it to float32.")
    values = image.astype(np.float32, copy=False)
    bad = values.size - int(np.count_nonzero(np.isfinite(values)))
    if bad:
        raise VolumeError(
            f"the {which} image has {bad} NaN or infinite values; a score needs finite intensities. "
            "Replace them (for example with numpy.nan_to_num) or leave the section out."
        )
    return values
