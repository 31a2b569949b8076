"""Measurement of a reconstruction's uncertainty, by its disagreement with plain interpolation."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from napari_emgauss._types import FloatArray, Region
from napari_emgauss.interpolation.mixture import Calibration
from napari_emgauss.interpolation.mixture.calibration import COMPARED, GapMiddle
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.reconstruction import Reconstruction
from napari_emgauss.methods.emgauss.uncertainty_map import CELL_PX, UncertaintyMap, grid_shape
from napari_emgauss.runtime.memory import is_out_of_memory
from napari_emgauss.runtime.threads import for_each, get_threads
from napari_emgauss.sections import noise_level
from napari_emgauss.training import Watch

LOGGER = logging.getLogger(__name__)
STAGE = "uncertainty"
TILE_PX, MARGIN_PX = 1024, 32
"""Sections are compared in tiles of this size (a multiple of the cell), with this much around them."""
MEAN_OF_NORMAL = float(np.sqrt(2 / np.pi))
"""Mean absolute value of a standard normal variable."""


def with_uncertainty(job: EmgaussJob, result: Reconstruction, watch: Watch) -> Reconstruction:
    """Return the reconstruction with a map of its uncertainty; as it is after a stop, which keeps what there is."""
    if not job.setup.config.uncertainty or watch.stopped:
        return result
    try:
        return replace(result, uncertainty_map=measure_uncertainty(job, result, watch))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        LOGGER.warning("no memory is left to map the uncertainty; the model is complete without it")
        return result


def measure_uncertainty(job: EmgaussJob, reconstruction: Reconstruction, watch: Watch) -> UncertaintyMap | None:
    """Compare a finished reconstruction with plain interpolation in the middle of every gap.

    How much a difference means was calibrated on hidden sections before the training. Two sections and the tile
    in work are in memory, with a GPU as many times as there are cores.

    Returns
    -------
    None when stopped, or without evidence: there were too few sections to hide one.
    """
    calibration, setup = _calibration(job), job.setup
    if calibration is None:
        return None
    shape, observed = (setup.volume.shape[1], setup.volume.shape[2]), setup.observed
    middle = np.empty((len(observed) - 1, *grid_shape(shape)), np.float16)
    noise = np.empty(len(observed))
    # What a GPU has trained is drawn by the cores, which work on a gap each; otherwise memory is short.
    at_once = 1 if setup.device.type == "cpu" else get_threads()

    def read(into: dict[int, FloatArray], wanted: range) -> None:
        for k in wanted:  # files are read by one thread
            into[k] = setup.scaling.normalise(setup.volume.section(observed[k]))

        def measure_noise(k: int) -> None:
            noise[k] = noise_level(into[k])

        for_each(measure_noise, wanted)

    sections: dict[int, FloatArray] = {}
    read(sections, range(1))
    for first in range(0, len(middle), at_once):
        if watch.held():
            return None
        gaps = range(first, min(first + at_once, len(middle)))
        sections = {first: sections[first]}
        read(sections, range(gaps[0] + 1, gaps[-1] + 2))

        def measure(gap: int, found: dict[int, FloatArray] = sections) -> None:
            z, distance = (observed[gap] + observed[gap + 1]) / 2, float(observed[gap + 1] - observed[gap])
            for tile in _tiles(shape):
                around, inside = _with_margin(tile, shape)
                y0, y1, x0, x1 = around
                pair = np.stack([found[k][y0:y1, x0:x1] for k in (gap, gap + 1)])
                plain = np.stack([Interpolator(pair, name).section(0.5) for name in COMPARED])
                drawn = setup.scaling.normalise(reconstruction.render(z, region=around))
                known = GapMiddle(prediction=drawn, plain=plain, sections=pair)
                expected = calibration.expected(known.differences(), distance)[inside]
                cells = (slice(tile[0] // CELL_PX, None), slice(tile[2] // CELL_PX, None))
                pooled = _pooled(expected)
                middle[gap][cells][: pooled.shape[0], : pooled.shape[1]] = pooled

        for_each(measure, gaps)
        watch.tell(STAGE, gaps[-1] + 1, len(middle))
    # Nowhere can the error against a section be smaller than that section's noise.
    least = MEAN_OF_NORMAL * float(np.median(noise))
    return UncertaintyMap(np.maximum(middle, np.float16(least)), least, calibration)


def _calibration(job: EmgaussJob) -> Calibration | None:
    evidence = job.study.evidence
    if evidence is not None:
        return evidence.calibration if evidence.n_hidden else None
    start = job.setup.start
    return None if start is None or start.uncertainty_map is None else start.uncertainty_map.calibration


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
