"""Places of a stack that are studied: all of it, or, of a larger one, several parts that lie apart."""

from __future__ import annotations

import math

from napari_emgauss._types import Region, Triple
from napari_emgauss.interpolation.mixture import Stack
from napari_emgauss.methods.emgauss.setup import Setup

STUDIED_SECTIONS, STUDIED_PX = 64, 1024
"""Most sections, and most pixels along y and x, that are studied: 256 MiB."""
PLACES = 4
"""Places that share these sections in a stack that has more, or larger ones: tissue differs from place to place."""
LEAST_RUN = 7
"""Sections of a place: the one in the middle has two neighbours on both sides when every other one is hidden."""
_RANKS = ((0, 1, 2, 3), (1, 3, 0, 2), (2, 0, 3, 1))
"""Along z, y and x, the order of the places: no two are at the same height, depth or width."""


def studied_shape(setup: Setup) -> tuple[int, int, int]:
    """Return the shape of what is studied, as if it were one piece."""
    _, height, width = setup.volume.shape
    return min(len(setup.observed), STUDIED_SECTIONS), min(height, STUDIED_PX), min(width, STUDIED_PX)


def studied_places(setup: Setup) -> list[tuple[list[int], Region]]:
    """Return the sections and the region of every place that is studied.

    A place is a run of neighbouring sections: evidence needs neighbours.
    """
    observed, (_, height, width) = setup.observed, setup.volume.shape
    n, *sides = studied_shape(setup)
    if (n, *sides) == (len(observed), height, width):
        return [(observed, (0, height, 0, width))]
    size = (min(n, max(n // PLACES, LEAST_RUN)), *sides)
    room = (len(observed) - size[0], height - size[1], width - size[2])
    return [_place(observed, size, _corner(room, k)) for k in range(PLACES)]


def _corner(room: Triple, place: int) -> tuple[int, ...]:
    return tuple(math.floor(free * (ranks[place] + 0.5) / PLACES) for free, ranks in zip(room, _RANKS, strict=True))


def _place(observed: list[int], size: tuple[int, ...], corner: tuple[int, ...]) -> tuple[list[int], Region]:
    (n, height, width), (first, y, x) = size, corner
    return observed[first : first + n], (y, y + height, x, x + width)


def studied_stacks(setup: Setup) -> list[Stack]:
    """Read the normalised sections of every place that is studied."""
    factor = setup.volume.factor
    return [
        Stack(setup.read(indices, region), factor, [float(i) for i in indices])
        for indices, region in studied_places(setup)
    ]
