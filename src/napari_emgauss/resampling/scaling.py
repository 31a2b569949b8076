"""The affine map between the input's intensities and the normalised ones of training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import ConfigError
from napari_emgauss.volume import Volume

PERCENTILES = (0.1, 99.9)
SAMPLED_SECTIONS = 16
WIDE_PX = 2**24
"""Sections of more pixels are sampled in windows: N_WINDOWS along each side, each WINDOW_PX wide."""
N_WINDOWS, WINDOW_PX = 8, 128

MOST_RANGE = 1e38
"""A third of float32's largest number: differences of intensities can be told."""


@dataclass(frozen=True)
class Scaling:
    """Affine map: ``low`` becomes 0 and ``high`` becomes 1; nothing is clipped."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (self.low < self.high and self.range <= MOST_RANGE and math.isfinite(self.low)):
            raise ConfigError(
                f"a scale of intensities must rise from a finite low to high by at most {MOST_RANGE:g}, got "
                f"{self.low:g}..{self.high:g}. Divide the intensities by a constant, or clip them."
            )

    @classmethod
    def of(cls, volume: Volume, sections: Sequence[int]) -> Scaling:
        """From the 0.1 and 99.9 percentiles of up to 16 of ``sections``, evenly chosen.

        A constant stack gets a range of 1, or what float32 resolves at its intensity.
        """
        chosen = np.unique(np.linspace(0, len(sections) - 1, SAMPLED_SECTIONS).round().astype(int))
        pixels = np.concatenate([part for i in chosen for part in _every_third_pixel(volume, sections[i])])
        low, high = (float(v) for v in np.percentile(pixels.astype(np.float64), PERCENTILES))
        return cls(low, high) if high > low else cls(low, low + max(1.0, abs(low) * 1e-6))

    @property
    def range(self) -> float:
        """Intensities from ``low`` to ``high``; positive."""
        return self.high - self.low

    def normalise(self, image: AnyArray) -> FloatArray:
        """Input units to normalised float32; infinite where a value is too far away for that."""
        with np.errstate(over="ignore"):
            return ((image.astype(np.float32) - self.low) / self.range).astype(np.float32)

    def restore(self, image: Tensor | FloatArray) -> FloatArray:
        """Normalised to float32 in input units."""
        array = image.detach().cpu().numpy() if isinstance(image, Tensor) else image
        return (array * self.range + self.low).astype(np.float32)


def _every_third_pixel(volume: Volume, index: int) -> Iterator[AnyArray]:
    """Pixels of a section, or of a grid of windows on a wide one: no tile should wait for whole sections."""
    _, height, width = volume.shape
    if height * width > WIDE_PX:
        rows, columns = min(WINDOW_PX, height), min(WINDOW_PX, width)
        for y in np.linspace(0, height - rows, N_WINDOWS).astype(int).tolist():
            for x in np.linspace(0, width - columns, N_WINDOWS).astype(int).tolist():
                yield volume.section(index, (y, y + rows, x, x + columns)).ravel()[::3].copy()
        return
    start = 0
    for band in volume.bands():
        pixels = volume.section(index, band).ravel()
        yield pixels[start::3].copy()
        start = (start - pixels.size) % 3
