"""Gain, offset and shift of every section: taken out, put back, carried from one section to another."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from napari_emgauss._types import AnyArray, FloatArray, Region
from napari_emgauss.errors import ConfigError
from napari_emgauss.sections.correction.second_differences import DoubleArray

CUBIC_REACH_PX = 3
"""Pixels around a sample that bicubic interpolation sees, rounded up."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Corrections:
    """Gain, offset and shift of each section: corrected(y, x) = gain · section(y + shift_y, x + shift_x) + offset."""

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
        """Return corrections that change nothing."""
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
        """Keep brightness alone."""
        return replace(self, shifts_px=np.zeros_like(self.shifts_px))

    def without_brightness(self) -> Corrections:
        """Keep shifts alone."""
        return replace(self, gains=np.ones_like(self.gains), offsets=np.zeros_like(self.offsets))

    def apply(
        self, index: int, image: AnyArray, region: Region | None = None, corner: tuple[int, int] = (0, 0)
    ) -> FloatArray:
        """Return section ``index``, an image (Y, X), corrected: float32 in the stack's units, bicubic, edges repeated.

        Where only ``region`` of the section is wanted, the image may be that of `surroundings`, which begins at
        ``corner``: the pixels are those of the whole section.
        """
        moved = shifted(image, self._shift(index), region, corner)
        return np.asarray(moved * np.float32(self.gains[index]) + np.float32(self.offsets[index]), np.float32)

    def surroundings(self, index: int, region: Region, shape: tuple[int, int]) -> Region:
        """Return the part of section ``index``, an image of ``shape``, on which the corrected ``region`` depends."""
        shift = self._shift(index)
        if not any(shift):
            return region
        my, mx = (math.ceil(abs(by)) + CUBIC_REACH_PX for by in shift)
        (y0, y1, x0, x1), (height, width) = region, shape
        return max(y0 - my, 0), min(y1 + my, height), max(x0 - mx, 0), min(x1 + mx, width)

    def _shift(self, index: int) -> tuple[float, float]:
        return float(self.shifts_px[index, 0]), float(self.shifts_px[index, 1])

    def invert(self, index: int, image: AnyArray) -> FloatArray:
        """Bring an image in the corrected frame back to the frame and brightness in which ``index`` was recorded.

        Exact for brightness; the shift is undone up to the bicubic sampling and the rim.
        """
        plain = (np.asarray(image, np.float32) - np.float32(self.offsets[index])) / np.float32(self.gains[index])
        dy, dx = self._shift(index)
        return shifted(plain, (-dy, -dx))

    def carry(self, source: int, target: int, image: AnyArray) -> FloatArray:
        """Return section ``source`` as it would have been recorded in the frame of ``target``; `invert` after `apply`.

        The image is sampled once.
        """
        dy, dx = (float(v) for v in self.shifts_px[source] - self.shifts_px[target])
        gain = self.gains[source] / self.gains[target]
        offset = (self.offsets[source] - self.offsets[target]) / self.gains[target]
        return np.asarray(shifted(image, (dy, dx)) * np.float32(gain) + np.float32(offset), np.float32)


def shifted(
    image: AnyArray, by_px: tuple[float, float], region: Region | None = None, corner: tuple[int, int] = (0, 0)
) -> FloatArray:
    """Return the image (Y, X) sampled at every pixel plus (y, x): bicubic, edges repeated; as it is if that is zero.

    Parameters
    ----------
    image
        A whole image, or the part of it that begins at ``corner`` and holds what ``region`` needs.
    by_px
        Where to sample, relative to each pixel.
    region
        Pixels wanted (y0, y1, x0, x1), half-open, counted in the whole image; all of ``image`` by default.
    corner
        Row and column of the whole image at which ``image`` begins.
    """
    top, left = corner
    y0, y1, x0, x1 = region or (top, top + image.shape[0], left, left + image.shape[1])
    if by_px == (0.0, 0.0):
        return np.array(image[y0 - top : y1 - top, x0 - left : x1 - left], np.float32, order="C")
    # Positions are rounded as in the whole image, then moved by whole pixels: parts agree with it to the last bit.
    y, x = (
        np.arange(first, stop, dtype=np.float32) + np.float32(by) - np.float32(start)
        for first, stop, by, start in ((y0, y1, by_px[0], top), (x0, x1, by_px[1], left))
    )
    columns, rows = np.meshgrid(x, y)
    plain = np.ascontiguousarray(image, np.float32)
    moved = cv2.remap(plain, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)
