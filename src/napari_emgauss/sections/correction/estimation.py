"""Uneven brightness and small shifts of single sections, told apart from tissue that changes along z."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import ConfigError
from napari_emgauss.runtime.threads import at_once, for_each
from napari_emgauss.sections.correction.corrections import Corrections
from napari_emgauss.sections.correction.registration import HALVES, FieldHalf
from napari_emgauss.sections.correction.second_differences import (
    DoubleArray,
    MeasuredDifference,
    SectionTriple,
    solve,
    triples_of,
)
from napari_emgauss.sections.correction.shifts import MAX_ROUNDS, estimate_shifts
from napari_emgauss.sections.quality.alignment import smoothed
from napari_emgauss.sections.quality.windows import each_window, window_reader
from napari_emgauss.volume import Volume

MAX_SHIFT_PX = 4.0
"""Larger shifts are cut to this: they need registration, which is another task."""
MAX_GAIN = 2.0
"""Gains stay between this and its inverse."""
SLOW_SECTIONS = 12.0
"""Waves along z of this many sections or more are taken for tissue (see `second_differences`)."""
_TILE_PX = 48
_RIM_PX = 12


@dataclass(frozen=True, eq=False)
class CorrectionEstimate:
    """Corrections, and what they would be without having seen a half of the field."""

    whole: Corrections
    """From the whole field."""
    elsewhere: Mapping[FieldHalf, Corrections]
    """For each half of the field, with shifts from the opposite half alone: to be judged on pixels they never saw."""

    @classmethod
    def none(cls, n_sections: int) -> CorrectionEstimate:
        """Return corrections that change nothing."""
        none = Corrections.none(n_sections)
        return cls(none, dict.fromkeys(HALVES, none))

    def without_shifts(self) -> CorrectionEstimate:
        """Keep brightness alone."""
        return CorrectionEstimate(
            self.whole.without_shifts(), {half: c.without_shifts() for half, c in self.elsewhere.items()}
        )

    def without_brightness(self) -> CorrectionEstimate:
        """Keep shifts alone."""
        return CorrectionEstimate(
            self.whole.without_brightness(), {half: c.without_brightness() for half, c in self.elsewhere.items()}
        )


def estimate_corrections(
    volume: Volume,
    *,
    exclude: Sequence[int] = (),
    max_shift_px: float = MAX_SHIFT_PX,
    slow_sections: float = SLOW_SECTIONS,
    max_side_px: int = 512,
    progress: Callable[[int, int], object] | None = None,
    stop: Callable[[], bool] | None = None,
) -> CorrectionEstimate:
    """Estimate every section's gain, offset and shift against its neighbours, without slow change along z.

    Brightness comes from what tiles of a section agree on, shifts from `estimate_shifts`; what is alike in both
    neighbours is taken for an error of the section, the rest for tissue (see `second_differences`). Use them only if
    `choose_corrections` does: tissue that wobbles as a whole looks like small shifts.

    Parameters
    ----------
    volume
        The stack, read in windows, section by section: those of four are in memory, or of all where these need no more
        than 256 MiB.
    exclude
        Sections that are skipped and left as they are: the damaged ones.
    max_shift_px
        Bound of each component of a shift.
    slow_sections
        Waves along z of this many sections or more stay, at least by half.
    max_side_px
        Larger sections are looked at in as many pixels as a window of this size has, at several places if they are much
        larger (see `places`).
    progress
        Called with the number of sections looked at so far and how many there may be: shifts that settle need fewer.
    stop
        Asked before each section; once true, `CorrectionEstimate.none` is returned.

    Returns
    -------
    CorrectionEstimate
        In the stack's intensity units and pixels.

    Raises
    ------
    ConfigError
        A parameter is out of range.
    VolumeError
        A section that is not excluded has NaN or infinite values.
    """
    n = volume.n_sections
    _check(exclude, n, max_shift_px, slow_sections)
    kept = [index for index in range(n) if index not in set(exclude)]
    n_read = 0
    stopped = stop or (lambda: False)

    def tell() -> None:
        nonlocal n_read
        n_read += 1
        if progress is not None:
            progress(n_read, (1 + MAX_ROUNDS) * len(kept))

    read = window_reader(volume, max_side_px)
    brightness = _brightness(read, kept, n, slow_sections, tell, stopped)
    shifts = estimate_shifts(
        read,
        triples_of(kept),
        brightness,
        max_shift_px=max_shift_px,
        slow_sections=slow_sections,
        progress=tell,
        stop=stopped,
    )
    if stopped():
        return CorrectionEstimate.none(n)
    return CorrectionEstimate(
        replace(brightness, shifts_px=shifts.whole),
        {half: replace(brightness, shifts_px=values) for half, values in shifts.elsewhere.items()},
    )


def _brightness(
    read: Callable[[int], FloatArray],
    kept: list[int],
    n: int,
    slow_sections: float,
    tell: Callable[[], object],
    stopped: Callable[[], bool],
) -> Corrections:
    """Find gains and offsets that even out the spread and the level of tiles."""
    level, log_spread, overlap = np.empty(0), np.empty(0), 1.0
    corners: list[tuple[int, int, int, int]] = []
    side, windows = 0, dict[int, FloatArray]()

    def measure(index: int) -> None:
        seen = each_window(smoothed, windows.pop(index))
        whole = float(seen.std(dtype=np.float64))
        for k, (row, column, y, x) in enumerate(corners):
            tile = seen[row, column, y : y + side, x : x + side]
            level[index, k] = tile.mean(dtype=np.float64)
            rounding = 1e-6 * max(abs(level[index, k]), whole, 1e-30)
            log_spread[index, k] = math.log(max(float(tile.std(dtype=np.float64)), rounding))

    for index in kept:
        if stopped():
            return Corrections.none(n)
        windows[index] = read(index)
        if not corners:
            side, corners, overlap = _tiles(windows[index].shape)
            level = np.full((n, len(corners)), np.nan)
            log_spread = np.full_like(level, np.nan)
        if len(windows) == at_once(windows[index].size) or index == kept[-1]:
            for_each(measure, list(windows))
        tell()
    if not corners:
        return Corrections.none(n)
    rows = triples_of(kept)
    log_gain = _solve_tiles(rows, log_spread, overlap, n, slow_sections)
    gain = np.exp(-np.clip(log_gain, -math.log(MAX_GAIN), math.log(MAX_GAIN)))
    offset = _solve_tiles(rows, level * gain[:, None], overlap, n, slow_sections)
    # Offsets are those of sections already multiplied by their gains.
    return Corrections(gains=gain, offsets=-offset, shifts_px=np.zeros((n, 2)))


def _tiles(shape: tuple[int, ...]) -> tuple[int, list[tuple[int, int, int, int]], float]:
    """Return the side of square tiles away from the rim of windows, where they begin, and how often they overlap."""
    *grid, height, width = shape
    shorter = min(height, width)
    rim, side = min(_RIM_PX, shorter // 8), min(_TILE_PX, shorter // 3)
    step = max(1, side * 2 // 3)
    rows, columns = range(rim, height - rim - side + 1, step), range(rim, width - rim - side + 1, step)
    places = product(range(grid[0]), range(grid[1]), rows, columns)
    return side, list(places), (side / step) ** 2


def _solve_tiles(
    rows: list[SectionTriple], values: DoubleArray, overlap: float, n: int, slow_sections: float
) -> DoubleArray:
    differences = [
        MeasuredDifference.of_tiles(
            (1 - row.weight_above) * values[row.below] + row.weight_above * values[row.above] - values[row.index],
            overlap,
        )
        for row in rows
    ]
    return solve(rows, differences, n, slow_sections)


def _check(exclude: Sequence[int], n: int, max_shift_px: float, slow_sections: float) -> None:
    if any(not 0 <= index < n for index in exclude):
        raise ConfigError(f"exclude must name sections within 0..{n - 1}, got {tuple(exclude)}.")
    if not (math.isfinite(max_shift_px) and max_shift_px >= 0):
        raise ConfigError(f"max_shift_px must be a finite number >= 0, got {max_shift_px}. Pass 0 for no shifts.")
    if not slow_sections > 2:
        raise ConfigError(f"slow_sections must exceed 2, got {slow_sections}. The default is {SLOW_SECTIONS:g}.")
