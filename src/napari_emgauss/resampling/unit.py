"""Intensities brought to [0, 1], in which all scores are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import VolumeError
from napari_emgauss.volume import Volume


@dataclass(frozen=True)
class IntensityScale:
    """Map of a volume's intensities to [0, 1], so that scores of different types are comparable."""

    low: float
    high: float
    limits: tuple[float, float] | None
    """Range of an integer type; predictions are clipped to it, as writing the volume would."""

    @classmethod
    def of(cls, volume: Volume) -> IntensityScale:
        """Take 0..255 for uint8; for wider types the volume's own extremes, since few use their whole range."""
        info = np.iinfo(volume.dtype) if volume.dtype.kind in "ui" else None
        limits = (float(info.min), float(info.max)) if info else None
        if volume.dtype == np.uint8:
            return cls(0.0, 255.0, limits)
        extremes = [(section.min(), section.max()) for section in map(volume.section, range(volume.n_sections))]
        low, high = float(min(e[0] for e in extremes)), float(max(e[1] for e in extremes))
        if low == high:
            raise VolumeError(
                f"all intensities are {low:g}; there is nothing to score. Choose a volume with structure."
            )
        return cls(low, high, limits)

    def to_unit(self, image: AnyArray) -> FloatArray:
        """Return the image as new float32 values, 0 at ``low`` and 1 at ``high``."""
        values = image.astype(np.float32) if self.limits is None else np.clip(image.astype(np.float32), *self.limits)
        return np.asarray((values - np.float32(self.low)) / np.float32(self.high - self.low), np.float32)
