"""Where slices are explained well, and where they are not: the error to expect, in space."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import AnyArray
from napari_emgauss.forward.cuts import Cuts
from napari_emgauss.methods.svr.measured import Measured
from napari_emgauss.methods.svr.model import SliceModel
from napari_emgauss.slices import WorldGrid, WorldVolume

CELL_PX, BLUR_CELLS = 3.0, 1.5
"""Size of the map's voxels by that of a pixel, and how far errors are averaged (σ)."""


def error_map(measured: Measured, model: SliceModel, frame: AnyArray, *, factor: float) -> WorldVolume:
    """Return the local root mean square of what the slices leave, times ``factor``, on a coarse grid in the world."""
    motion = model.motion.numpy()
    cuts = Cuts(model.gaussians.mean, model.gaussians.covariance(), measured.planes(motion))
    left = measured.values - measured.layout.spread(model.gain.numpy()) * cuts.draw(model.gaussians.amplitude.numpy())
    squares = np.concatenate([measured.layout.image(left, s)[own.inside] ** 2 for s, own in enumerate(measured.slices)])
    counts = [int(own.inside.sum()) for own in measured.slices]
    weights = np.repeat(model.slice_weight.numpy(), counts)
    places = measured.points(motion) @ frame[:3, :3].T + frame[:3, 3]
    grid = WorldGrid.around(places, CELL_PX * measured.pixel_mm, margin_mm=CELL_PX * measured.pixel_mm)
    cells = np.ravel_multi_index(tuple(np.rint(grid.indices(places)).astype(np.int64).T), grid.shape)
    total, n = (np.bincount(cells, w, math.prod(grid.shape)).reshape(grid.shape) for w in (weights * squares, weights))
    smooth = [gaussian_filter(sums, BLUR_CELLS, mode="constant") for sums in (total, n)]
    mean = smooth[0] / np.maximum(smooth[1], 1e-6)
    return WorldVolume(np.asarray(factor * np.sqrt(np.maximum(mean, 0)), np.float32), grid.affine)
