"""Slices registered to a volume, each on its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.metrics import correlation
from napari_emgauss.registration.gauss_newton import descend
from napari_emgauss.registration.kernels import predict
from napari_emgauss.registration.pixels import SlicePixels
from napari_emgauss.runtime.threads import for_each
from napari_emgauss.slices import WorldVolume
from napari_emgauss.slices.motion import affines, from_affines

ARM_MM = 20.0
"""A radian moves what is so far from the pivot by so much: rotations and translations are damped alike."""
FARTHEST_RAD, FARTHEST_MM = 0.35, 12.0
"""A slice that would move farther at once stays where it is."""
MIN_PIXELS = 40
"""A slice with fewer pixels in its mask keeps its pose: six numbers cannot be read from it."""


@dataclass(frozen=True, eq=False)
class SliceFit:
    """Poses of a stack's slices, and how they fit."""

    motion: AnyArray
    """(n, 6), see `napari_emgauss.slices.motion`."""
    gains: AnyArray
    """Measured intensity by predicted one (n,); 1 where there is nothing to compare."""
    correlations: AnyArray
    """Of measured and predicted pixels (n,); NaN where there are too few."""


def register_slices(
    volume: WorldVolume, pixels: SlicePixels, motion: AnyArray, *, iterations: int = 12, damping: float = 0.02
) -> SliceFit:
    """Return the poses near ``motion`` (n, 6) at which the slices fit the volume best, each with a gain of its own."""
    stack = pixels.stack
    matrices, pivots = affines(motion, stack.pivots), stack.pivots
    found = matrices.copy()

    def one(s: int) -> None:
        part = pixels.of_slice(s)
        if part.stop - part.start >= MIN_PIXELS:
            matrix = descend(
                volume, pixels, np.array([s]), matrices[s], pivots[s],
                iterations=iterations, arm_mm=ARM_MM, damping=damping,
            )[0]  # fmt: skip
            if _near(matrix, matrices[s], pivots[s]):
                found[s] = matrix

    for_each(one, range(stack.n_slices))
    return compare_slices(volume, pixels, from_affines(found, pivots))


def _near(matrix: AnyArray, start: AnyArray, pivot: AnyArray) -> bool:
    """Return whether a slice is still near its start: one that shows little, or is damaged, may drift off."""
    change = from_affines((matrix @ np.linalg.inv(start))[None], (start[:3, :3] @ pivot + start[:3, 3])[None])[0]
    return bool(np.linalg.norm(change[:3]) <= FARTHEST_RAD and np.linalg.norm(change[3:]) <= FARTHEST_MM)


def compare_slices(volume: WorldVolume, pixels: SlicePixels, motion: AnyArray) -> SliceFit:
    """Return how slices fit at the poses that they have."""
    n = pixels.stack.n_slices
    gains, correlations = np.ones(n), np.full(n, np.nan)
    places, nodes = pixels.places(motion, volume.grid)

    def one(s: int) -> None:
        part = pixels.of_slice(s)
        seen = pixels.values[part]
        if len(seen) < MIN_PIXELS:
            return
        predicted = np.empty_like(seen)
        predict(volume.values, places[s], nodes[s], pixels.nodes[1], pixels.rows[part], pixels.columns[part], predicted)
        squares = float(predicted @ predicted)
        if squares > 0:
            gains[s] = float(predicted @ seen) / squares
        correlations[s] = correlation(predicted, seen)

    for_each(one, range(n))
    return SliceFit(motion, gains, correlations)
