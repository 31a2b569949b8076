"""The places of a stack where a reconstruction is best and worst, to look at."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_emgauss._types import FloatArray, Region
from napari_emgauss.evaluation.scoring import structure
from napari_emgauss.methods.emgauss import Reconstruction

ACROSS = 6
"""Squares along the shorter side of a section, where it is large enough."""
LEAST_PX = 48
"""Shortest side of a square: structures are compared over it."""
SHOWN = 3
"""Best places, and worst ones."""
MOST_GAPS = 9
"""Gaps that the uncertainty is drawn in, evenly chosen."""
ZOOM = 0.25
"""The map of the uncertainty is smooth."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A square of a section.

    Attributes
    ----------
    z
        Section coordinate.
    y, x
        Its middle in px.
    side_px
        Its side.
    gain
        What places are ranked by; more is better.
    """

    z: float
    y: int
    x: int
    side_px: int
    gain: float


@dataclass(frozen=True)
class Places:
    """The best places, best first, and the worst ones, worst first; no place is among both."""

    best: tuple[Place, ...] = ()
    worst: tuple[Place, ...] = ()

    @classmethod
    def among(cls, places: Iterable[Place]) -> Places:
        """Choose from all places; neighbours in z of a chosen one tell nothing new."""
        ranked = sorted(places, key=lambda place: place.gain)
        half = len(ranked) // 2
        return cls(_first(reversed(ranked[half:])), _first(ranked[:half]))


def squares(height: int, width: int) -> list[Region]:
    """Return the squares (y0, y1, x0, x1) that places are chosen from; what is left at the rims is in none."""
    side = min(max(min(height, width) // ACROSS, LEAST_PX), height, width)
    corners = itertools.product(range(0, height - side + 1, side), range(0, width - side + 1, side))
    return [(y, y + side, x, x + side) for y, x in corners]


def square_structures(image: FloatArray, truth: FloatArray) -> npt.NDArray[np.float64]:
    """Return `structure` in each of the `squares` of a section."""
    parts = [(slice(y0, y1), slice(x0, x1)) for y0, y1, x0, x1 in squares(*truth.shape)]
    return np.array([structure(image[part], truth[part]) for part in parts])


def places_of_gain(z: float, shape: tuple[int, int], gains: Iterable[float]) -> list[Place]:
    """Return the squares of a section of a ``shape`` as places."""
    found = []
    for (y0, y1, x0, x1), gain in zip(squares(*shape), gains, strict=True):
        found.append(Place(z=z, y=(y0 + y1) // 2, x=(x0 + x1) // 2, side_px=y1 - y0, gain=float(gain)))
    return found


def places_by_uncertainty(reconstruction: Reconstruction) -> Places:
    """Return where the error to expect between sections is smallest and largest; none without a map of it."""
    if not reconstruction.has_uncertainty:
        return Places()
    shape, observed = reconstruction.shape[1:], reconstruction.observed
    middles = [(low + high) / 2 for low, high in itertools.pairwise(observed)]
    chosen = np.unique(np.linspace(0, len(middles) - 1, min(MOST_GAPS, len(middles))).round().astype(int))
    found: list[Place] = []
    for z in (middles[i] for i in chosen):
        error = reconstruction.uncertainty(z, zoom=ZOOM)
        down, across = (drawn / whole for drawn, whole in zip(error.shape, shape, strict=True))
        means = [
            -float(error[int(y0 * down) : int(y1 * down), int(x0 * across) : int(x1 * across)].mean())
            for y0, y1, x0, x1 in squares(*shape)
        ]
        found += places_of_gain(z, shape, means)
    return Places.among(found)


def _first(ranked: Iterable[Place]) -> tuple[Place, ...]:
    chosen: list[Place] = []
    for place in ranked:
        if all((place.y, place.x) != (other.y, other.x) for other in chosen):
            chosen.append(place)
    return tuple(chosen[:SHOWN])
