"""How far a reconstruction is to be trusted: the absolute error to expect, for every pixel at any z."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray, Region
from napari_emgauss.interpolation.lateral import Calibration
from napari_emgauss.interpolation.lateral.calibration import COMPARED, GapMiddle
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.sections import noise_level

if TYPE_CHECKING:
    from napari_emgauss.methods.emgauss.reconstruction import Reconstruction

STAGE = "uncertainty"
CELL_PX = 8
"""Side of a cell of the map; it is smoother than that."""
TILE_PX, MARGIN_PX = 1024, 32
"""Sections are compared in tiles of this size (a multiple of the cell), with this much around them."""
MEAN_OF_NORMAL = float(np.sqrt(2 / np.pi))
"""Mean absolute value of a standard normal variable."""


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


def grid_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Cells along y and x of a section's map."""
    return -(-shape[0] // CELL_PX), -(-shape[1] // CELL_PX)


def measure_uncertainty(
    job: EmgaussJob, reconstruction: Reconstruction, *, held: Callable[[], bool], tell: Callable[[int, int], None]
) -> UncertaintyMap | None:
    """Compare a finished reconstruction with plain interpolation in the middle of every gap.

    How much a difference means was calibrated on hidden sections before the training. Two sections and the tile
    in work are in memory.

    Parameters
    ----------
    job
        What was trained.
    reconstruction
        What came of it.
    held
        Waits while paused and says whether to stop.
    tell
        Gets the number of gaps done, and of all.

    Returns
    -------
    None when stopped, or without evidence: there were too few sections to hide one.
    """
    calibration = _calibration(job)
    if calibration is None:
        return None
    shape = (job.volume.shape[1], job.volume.shape[2])
    middle = np.empty((len(job.observed) - 1, *grid_shape(shape)), np.float16)
    below = _section(job, 0)
    noise = [noise_level(below)]
    for gap in range(len(middle)):
        if held():
            return None
        above = _section(job, gap + 1)
        noise.append(noise_level(above))
        z = (job.observed[gap] + job.observed[gap + 1]) / 2
        distance = float(job.observed[gap + 1] - job.observed[gap])
        for tile in _tiles(shape):
            around, inside = _with_margin(tile, shape)
            y0, y1, x0, x1 = around
            pair = np.stack([below[y0:y1, x0:x1], above[y0:y1, x0:x1]])
            plain = np.stack([Interpolator(pair, name).section(0.5) for name in COMPARED])
            drawn = job.scaling.normalise(reconstruction.render(z, region=around))
            known = GapMiddle(prediction=drawn, plain=plain, sections=pair)
            expected = calibration.expected(known.differences(), distance)[inside]
            cells = (slice(tile[0] // CELL_PX, None), slice(tile[2] // CELL_PX, None))
            pooled = _pooled(expected)
            middle[gap][cells][: pooled.shape[0], : pooled.shape[1]] = pooled
        below = above
        tell(gap + 1, len(middle))
    return UncertaintyMap(middle, MEAN_OF_NORMAL * float(np.median(noise)), calibration)


def _calibration(job: EmgaussJob) -> Calibration | None:
    if job.evidence is not None:
        return job.evidence.calibration
    if job.start is not None and job.start.uncertainty_map is not None:
        return job.start.uncertainty_map.calibration
    return None


def _section(job: EmgaussJob, index: int) -> FloatArray:
    return job.scaling.normalise(job.volume.section(job.observed[index]))


def _tiles(shape: tuple[int, int]) -> list[Region]:
    return [
        (y, min(y + TILE_PX, shape[0]), x, min(x + TILE_PX, shape[1]))
        for y in range(0, shape[0], TILE_PX)
        for x in range(0, shape[1], TILE_PX)
    ]


def _with_margin(tile: Region, shape: tuple[int, int]) -> tuple[Region, tuple[slice, slice]]:
    """The tile with what surrounds it, and where in that it lies."""
    y0, y1, x0, x1 = tile
    top, left = max(y0 - MARGIN_PX, 0), max(x0 - MARGIN_PX, 0)
    around = (top, min(y1 + MARGIN_PX, shape[0]), left, min(x1 + MARGIN_PX, shape[1]))
    return around, (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))


def _pooled(image: FloatArray) -> FloatArray:
    """Means of the cells of an image; those at its far borders may be smaller."""
    for axis in (0, 1):
        starts = np.arange(0, image.shape[axis], CELL_PX)
        counts = np.diff([*starts, image.shape[axis]])
        counts = counts[:, None] if axis == 0 else counts
        image = np.asarray(np.add.reduceat(image, starts, axis) / counts, np.float32)
    return image


def _sampled(cells: FloatArray, axis: int, pixels: AnyArray) -> FloatArray:
    """Linear interpolation of cells along ``axis`` at pixel coordinates; constant beyond the outermost centres."""
    place = np.clip((pixels + 0.5) / CELL_PX - 0.5, 0, cells.shape[axis] - 1)
    lower = np.minimum(place.astype(np.intp), max(cells.shape[axis] - 2, 0))
    upper = np.minimum(lower + 1, cells.shape[axis] - 1)
    weight = (place - lower).astype(np.float32)
    weight = weight[:, None] if axis == 0 else weight
    return np.asarray((1 - weight) * cells.take(lower, axis) + weight * cells.take(upper, axis), np.float32)
