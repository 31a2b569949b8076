"""Map of the absolute error to expect of a reconstruction, for every pixel at any z."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray, Region
from napari_emgauss.errors import ModelFileError
from napari_emgauss.interpolation.mixture import Calibration

CELL_PX = 8
"""Side of a cell of the map; it is smoother than that."""


@dataclass(frozen=True, eq=False)
class UncertaintyMap:
    """Expected absolute error against a section cut there, its noise included, in normalised intensities.

    Between two sections it rises and falls as a random walk tied to both of them would: with m in the middle of the gap
    and s at a section, the square at the phase t is 4t(1 - t)·m² + (1 - 4t(1 - t))·s².
    """

    middle: AnyArray
    """In the middle of every gap between trained-on sections: float16 (gaps, cells along y, cells along x)."""
    at_sections: float
    """At a section: the part that is noise."""
    calibration: Calibration
    """What turned disagreement into an error."""

    def at(self, position: float, shape: tuple[int, int], region: Region, zoom: float) -> FloatArray:
        """Map of output pixels ``shape`` over ``region`` at ``position``, counted in trained-on sections."""
        gap = min(int(position), len(self.middle) - 1)
        t = position - gap
        share = np.float32(4 * t * (1 - t))
        squares = share * self.middle[gap].astype(np.float32) ** 2 + (1 - share) * np.float32(self.at_sections) ** 2
        for axis, (start, n_output) in enumerate(zip((region[0], region[2]), shape, strict=True)):
            squares = _sampled(squares, axis, start - 0.5 + (np.arange(n_output) + 0.5) / zoom)
        return np.asarray(np.sqrt(squares), np.float32)

    def header(self) -> dict[str, Any]:
        """Return all but the array, as JSON values."""
        return {
            "at_sections": self.at_sections,
            "base": self.calibration.base,
            "weights": list(self.calibration.weights),
        }

    @classmethod
    def from_header(
        cls, values: Mapping[str, Any], middle: AnyArray, n_gaps: int, shape: tuple[int, int]
    ) -> UncertaintyMap:
        """Rebuild a map from its `header` and array; raises `ModelFileError` unless it is one of such a stack."""
        expected = (n_gaps, *grid_shape(shape))
        if middle.shape != expected or middle.dtype != np.float16:
            raise ModelFileError(f"the uncertainty is {middle.dtype} {middle.shape}; expected float16 {expected}.")
        numbers = [float(v) for v in (values["at_sections"], values["base"], *values["weights"])]
        if not (
            np.isfinite(middle).all() and (middle >= 0).all() and numbers[0] >= 0 and all(map(math.isfinite, numbers))
        ):
            raise ModelFileError("the uncertainty must hold finite numbers of at least 0.")
        return cls(middle, numbers[0], Calibration(base=numbers[1], weights=tuple(numbers[2:])))


def grid_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Cells along y and x of a section's map."""
    return -(-shape[0] // CELL_PX), -(-shape[1] // CELL_PX)


def _sampled(cells: FloatArray, axis: int, pixels: AnyArray) -> FloatArray:
    """Linear interpolation of cells along ``axis`` at pixel coordinates; constant beyond the outermost centres."""
    place = np.clip((pixels + 0.5) / CELL_PX - 0.5, 0, cells.shape[axis] - 1)
    lower = np.minimum(place.astype(np.intp), max(cells.shape[axis] - 2, 0))
    upper = np.minimum(lower + 1, cells.shape[axis] - 1)
    weight = (place - lower).astype(np.float32)
    weight = weight[:, None] if axis == 0 else weight
    return np.asarray((1 - weight) * cells.take(lower, axis) + weight * cells.take(upper, axis), np.float32)
