"""Small shifts of single sections, estimated jointly with an interpolation of the stack that they straighten."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.interpolation.plain import blend, both_flows
from napari_emgauss.runtime.threads import at_once, for_each
from napari_emgauss.sections.correction.corrections import Corrections
from napari_emgauss.sections.correction.registration import HALVES, OPPOSITE, FieldHalf, Registration, register
from napari_emgauss.sections.correction.second_differences import DoubleArray, MeasuredDifference, SectionTriple, solve
from napari_emgauss.sections.quality.windows import each_window

MAX_ROUNDS = 6
"""Most times that the stack is interpolated and registered anew."""
_SETTLED_PX = 0.05
"""Root mean square over all sections."""


@dataclass(frozen=True, eq=False)
class SectionShifts:
    """Shifts (n, 2) in px as (y, x): how far the content of each section lies too far down and right."""

    whole: DoubleArray
    """From the whole field."""
    elsewhere: dict[FieldHalf, DoubleArray]
    """For each half of the field, from the opposite half: to be judged on pixels that had no part in them.

    No part but for the straightening of the round before, which the whole field decides."""


def estimate_shifts(
    read: Callable[[int], FloatArray],
    rows: list[SectionTriple],
    brightness: Corrections,
    *,
    max_shift_px: float,
    slow_sections: float,
    progress: Callable[[], object],
    stop: Callable[[], bool],
) -> SectionShifts:
    """Alternate between interpolating every section from its corrected neighbours and registering it there.

    Interpolation follows optical flow between the neighbours, so that tissue which moves steadily along z lies where it
    is predicted; what does not is the section's own shift or the tissue's (see `second_differences`). The first rounds
    are predicted from neighbours that are themselves misplaced; the last from straightened ones.

    Parameters
    ----------
    read
        Gives windows (rows, columns, Y, X) of a section by its index; at most four are kept, and those that threads
        work on.
    rows
        The sections and their neighbours.
    brightness
        Gains and offsets of all sections; its shifts are not looked at.
    max_shift_px, slow_sections
        See `estimate_corrections`.
    progress
        Called after each section of each round.
    stop
        Asked before each; once true, no shifts are returned.
    """
    n = brightness.n_sections
    none = SectionShifts(np.zeros((n, 2)), {half: np.zeros((n, 2)) for half in HALVES})
    found, shifts = none, np.zeros((n, 2))
    images: dict[int, tuple[FloatArray, FloatArray, FloatArray]] = {}
    for _ in range(MAX_ROUNDS):
        straightened = lru_cache(maxsize=4)(_straightened(read, brightness, shifts))
        registered: list[Registration | None] = [None] * len(rows)

        def register_row(k: int, into: list[Registration | None] = registered) -> None:
            below, here, above = images.pop(k)
            into[k] = register(here, each_window(partial(_between, rows[k].weight_above), below, above))

        for k, row in enumerate(rows):
            if stop():
                return none
            images[k] = straightened(row.below), straightened(row.index), straightened(row.above)
            if len(images) == at_once(3 * images[k][0].size) or k == len(rows) - 1:
                for_each(register_row, list(images))
            progress()

        solved = {
            half: np.clip(
                _solved(rows, [_measured(one, half) for one in registered], shifts, slow_sections),
                -max_shift_px,
                max_shift_px,
            )
            for half in (None, *HALVES)
        }
        found = SectionShifts(solved[None], {half: solved[OPPOSITE[half]] for half in HALVES})
        moved_px = float(np.sqrt(np.mean((found.whole - shifts) ** 2)))
        shifts = found.whole
        if moved_px < _SETTLED_PX:
            break
    return found


def _between(weight_above: float, below: FloatArray, above: FloatArray) -> FloatArray:
    # Tissue moves smoothly: flow at half the size will do.
    return blend(below, above, weight_above, both_flows(below, above, halved=True))


def _straightened(
    read: Callable[[int], FloatArray], brightness: Corrections, shifts: DoubleArray
) -> Callable[[int], FloatArray]:
    corrections = Corrections(gains=brightness.gains, offsets=brightness.offsets, shifts_px=shifts)
    return lambda index: each_window(partial(corrections.apply, index), read(index))


def _solved(
    rows: list[SectionTriple],
    found: list[tuple[DoubleArray, DoubleArray]],
    shifts: DoubleArray,
    slow_sections: float,
) -> DoubleArray:
    """Find the shifts (n, 2) that explain the ``shifts`` so far and the displacements, with errors, that are left."""
    out = np.zeros_like(shifts)
    for axis in (0, 1):
        differences = []
        for row, (displacement, error) in zip(rows, found, strict=True):
            t = row.weight_above
            between = (1 - t) * shifts[row.below, axis] + t * shifts[row.above, axis] - shifts[row.index, axis]
            differences.append(MeasuredDifference(float(between - displacement[axis]), float(error[axis])))
        out[:, axis] = solve(rows, differences, len(shifts), slow_sections)
    return out


def _measured(found: Registration | None, half: FieldHalf | None) -> tuple[DoubleArray, DoubleArray]:
    """Return displacement (2,) and error (2,) from the whole field or a half; infinite where nothing is known."""
    displacement = None if found is None else found.whole if half is None else found.halves[half]
    if found is None or displacement is None or not np.isfinite(displacement).all():
        return np.zeros(2), np.full(2, math.inf)
    # Half of the field has half of the information.
    return displacement, found.error if half is None else math.sqrt(2) * found.error
