"""A hidden section predicted from its neighbours: as what lies between them, or by motion that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.interpolation.plain import moved_on
from napari_emgauss.sections.quality.windows import each_window


def linear(index: int, neighbours: Mapping[int, FloatArray]) -> FloatArray:
    """Interpolate windows (rows, columns, Y, X) of section ``index`` linearly from the nearest on both sides."""
    below, above = max(i for i in neighbours if i < index), min(i for i in neighbours if i > index)
    share = (index - below) / (above - below)
    return (1 - share) * neighbours[below] + share * neighbours[above]


def carried_on(index: int, neighbours: Mapping[int, FloatArray]) -> FloatArray:
    """Move the nearest section on each side on as it moved from the one behind it; the mean of the sides that have two.

    Right where motion is steady, be it as far as it likes, as long as flow finds it between neighbours.

    Raises
    ------
    ValueError
        No side has two sections.
    """
    sides = sorted(i for i in neighbours if i < index)[::-1], sorted(i for i in neighbours if i > index)
    moved = []
    for near, behind in (side[:2] for side in sides if len(side) > 1):
        move = partial(moved_on, share=(index - near) / (near - behind), halved=True)
        moved.append(each_window(move, neighbours[near], neighbours[behind]))
    if not moved:
        raise ValueError(f"motion to section {index} needs two sections on one side, got {sorted(neighbours)}.")
    return np.asarray(np.mean(moved, axis=0), np.float32)
