"""Conversion of intensities to another type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import ConfigError
from napari_emgauss.resampling.protocol import Renderable
from napari_emgauss.volume import SUPPORTED_DTYPES


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """Intensities of the stack to those of another type: value · gain + offset, then rounded and clipped if integer.

    They are kept wherever the type can hold all values of the stack's type; otherwise the range in which 99.8 % of
    the stack's values lie is spread over the whole range of the type.
    """

    source: np.dtype[Any]
    target: np.dtype[Any]
    spread: tuple[float, float] | None = None
    """Intensities that become the least and the greatest of the type; None if they are kept."""

    @classmethod
    def of(cls, source: Renderable, dtype: Any = None) -> Conversion:
        """Return the conversion from the type of ``source`` to ``dtype``, by default its own.

        Raises
        ------
        ConfigError
            A type that volumes cannot have.
        """
        target = source.dtype if dtype is None else np.dtype(dtype)
        if target.name not in SUPPORTED_DTYPES:
            raise ConfigError(f"dtype must be one of {', '.join(SUPPORTED_DTYPES)}, got {target.name}.")
        keeps = np.can_cast(source.dtype, target, "safe")
        return cls(source=source.dtype, target=target, spread=None if keeps else source.display_range)

    @property
    def keeps(self) -> bool:
        """Whether intensities keep their values, up to rounding."""
        return self.spread is None

    @property
    def gain(self) -> float:
        """Factor of the intensities."""
        if self.spread is None:
            return 1.0
        info = np.iinfo(self.target)
        return (info.max - info.min) / (self.spread[1] - self.spread[0])

    @property
    def offset(self) -> float:
        """Number added to them afterwards."""
        return 0.0 if self.spread is None else np.iinfo(self.target).min - self.spread[0] * self.gain

    def apply(self, image: FloatArray) -> AnyArray:
        """Convert intensities of the stack's units to the target type."""
        return to_dtype(image if self.keeps else image * np.float32(self.gain) + np.float32(self.offset), self.target)

    def limits(self, low: float, high: float) -> tuple[float, float]:
        """Return contrast limits that show the same as ``low`` and ``high`` do in the stack."""
        ends = [self.gain * v + self.offset for v in (low, high)]
        if not self.keeps:
            info = np.iinfo(self.target)
            ends = [min(max(v, float(info.min)), float(info.max)) for v in ends]
        return (ends[0], ends[1]) if ends[1] > ends[0] else (ends[0], ends[0] + 1)

    def describe(self) -> str:
        """Say in a sentence what happens to the intensities."""
        if self.spread is not None:
            info, (low, high) = np.iinfo(self.target), self.spread
            return (
                f"Intensities {low:.6g} to {high:.6g} (99.8 % of the stack's) become {info.min} to "
                f"{info.max}; darker and brighter ones are cut off."
            )
        if self.target.kind == "f":
            return "Intensities keep their values" + ("." if self.source.kind == "f" else " and are not rounded.")
        return "Intensities keep their values, rounded to whole numbers."


def to_dtype(image: FloatArray, dtype: np.dtype[Any]) -> AnyArray:
    """Round and clip to an integer type; floats are only cast."""
    if dtype.kind == "f":
        return image.astype(dtype)
    info = np.iinfo(dtype)
    return np.clip(np.rint(image), info.min, info.max).astype(dtype)
