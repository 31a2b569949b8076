"""Gain, offset and shift of every section: taken out, put back, carried from one section to another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import ConfigError
from napari_emgauss.sections.correction.second_differences import DoubleArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Corrections:
    """What is done to each section: corrected(y, x) = gain · section(y + shift_y, x + shift_x) + offset."""

    gains: DoubleArray
    """(n,), without unit, positive."""

    offsets: DoubleArray
    """(n,), in the stack's intensity units."""

    shifts_px: DoubleArray
    """(n, 2) as (y, x): how far the content of each section lies too far down and right."""

    def __post_init__(self) -> None:
        gains, offsets, shifts = (np.asarray(a, np.float64) for a in (self.gains, self.offsets, self.shifts_px))
        n = gains.size
        if gains.shape != (n,) or offsets.shape != (n,) or shifts.shape != (n, 2):
            raise ConfigError(
                "gains, offsets and shifts_px must have the shapes (n,), (n,) and (n, 2), got "
                f"{gains.shape}, {offsets.shape} and {shifts.shape}."
            )
        if not (np.isfinite(gains).all() and np.isfinite(offsets).all() and np.isfinite(shifts).all()):
            raise ConfigError("gains, offsets and shifts_px must be finite. Use Corrections.none(n) for no correction.")
        if not (gains > 0).all():
            raise ConfigError(f"gains must be positive, got {float(gains.min())}.")
        for name, values in (("gains", gains), ("offsets", offsets), ("shifts_px", shifts)):
            values = values.copy()
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    @classmethod
    def none(cls, n_sections: int) -> Corrections:
        """Corrections that change nothing."""
        return cls(gains=np.ones(n_sections), offsets=np.zeros(n_sections), shifts_px=np.zeros((n_sections, 2)))

    @property
    def n_sections(self) -> int:
        """Number of sections."""
        return int(self.gains.size)

    @property
    def is_none(self) -> bool:
        """Whether no section is changed."""
        return not (self.shifts_px.any() or self.offsets.any() or (self.gains != 1).any())

    def without_shifts(self) -> Corrections:
        """Brightness alone."""
        return replace(self, shifts_px=np.zeros_like(self.shifts_px))

    def without_brightness(self) -> Corrections:
        """Shifts alone."""
        return replace(self, gains=np.ones_like(self.gains), offsets=np.zeros_like(self.offsets))

    def apply(self, index: int, image: AnyArray) -> FloatArray:
        """Section ``index``, an image (Y, X), corrected: float32 in the stack's units, bicubic, edges repeated."""
        moved = shifted(image, (float(self.shifts_px[index, 0]), float(self.shifts_px[index, 1])))
        return np.asarray(moved * np.float32(self.gains[index]) + np.float32(self.offsets[index]), np.float32)

    def invert(self, index: int, image: AnyArray) -> FloatArray:
        """Image in the corrected frame brought back to the frame and brightness in which ``index`` was recorded.

        Exact for brightness; the shift is undone up to the bicubic sampling and the rim.
        """
        plain = (np.asarray(image, np.float32) - np.float32(self.offsets[index])) / np.float32(self.gains[index])
        return shifted(plain, (-float(self.shifts_px[index, 0]), -float(self.shifts_px[index, 1])))

    def carry(self, source: int, target: int, image: AnyArray) -> FloatArray:
        """Section ``source`` as it would have been recorded in the frame of ``target``; `invert` after `apply`.

        The image is sampled once.
        """
        dy, dx = (float(v) for v in self.shifts_px[source] - self.shifts_px[target])
        gain = self.gains[source] / self.gains[target]
        offset = (self.offsets[source] - self.offsets[target]) / self.gains[target]
        return np.asarray(shifted(image, (dy, dx)) * np.float32(gain) + np.float32(offset), np.float32)


def shifted(image: AnyArray, by_px: tuple[float, float]) -> FloatArray:
    """The image (Y, X) sampled at every pixel plus (y, x): bicubic, edges repeated; unchanged for a shift of zero."""
    plain = np.ascontiguousarray(image, np.float32)
    if by_px == (0.0, 0.0):
        return plain.copy()
    sampling = np.array([[1, 0, by_px[1]], [0, 1, by_px[0]]], np.float64)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(plain, sampling, plain.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)
