"""Uneven brightness and small shifts of single sections, told apart from tissue that changes along z."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import ConfigError
from napari_emgauss.sections.alignment import match, smoothed
from napari_emgauss.sections.corrections import Corrections
from napari_emgauss.sections.second_differences import Difference, DoubleArray, Neighbours, neighbours_of, solve
from napari_emgauss.sections.windows import central_window
from napari_emgauss.volume import Volume

MAX_SHIFT_PX = 4.0
"""Larger shifts are cut to this: they need registration, which is another task."""
MAX_GAIN = 2.0
"""Gains stay between this and its inverse."""
SLOW_SECTIONS = 12.0
"""Waves along z of this many sections or more are taken for tissue (see `second_differences`)."""
_TILE_PX = 48
_REACH_PX = 12
_MIN_SIMILARITY = 0.2


def estimate_corrections(
    volume: Volume,
    *,
    exclude: Sequence[int] = (),
    max_shift_px: float = MAX_SHIFT_PX,
    slow_sections: float = SLOW_SECTIONS,
    max_side_px: int = 512,
    progress: Callable[[int, int], object] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Corrections:
    """Gain, offset and shift of every section against its neighbours, without what changes slowly along z.

    Tiles of each section are found again in both neighbours; what they agree on is taken for an error of the section,
    what they do not for tissue (see `second_differences`). Sections without error get corrections near zero. Use them
    only if `improves` says so.

    Parameters
    ----------
    volume
        The stack, read section by section; three are in memory.
    exclude
        Sections that are skipped and left as they are: the damaged ones.
    max_shift_px
        Bound of each component of a shift.
    slow_sections
        Waves along z of this many sections or more stay, at least by half.
    max_side_px
        Larger sections are looked at in a central window of this size.
    progress
        Called with the number of sections read and their total.
    stop
        Asked before each section; once true, `Corrections.none` is returned.

    Returns
    -------
    Corrections
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
    measured = _measure(volume, kept, max_side_px, progress, stop)
    if measured is None:
        return Corrections.none(n)
    tiles, rows, shift_differences = measured
    shifts = np.stack([solve(rows, [d[axis] for d in shift_differences], n, slow_sections) for axis in (0, 1)], axis=1)
    log_gain = _solve_tiles(rows, tiles.log_spread, tiles.overlap, n, slow_sections)
    log_gain = np.clip(log_gain, -math.log(MAX_GAIN), math.log(MAX_GAIN))
    gain = np.exp(-log_gain)
    offset = _solve_tiles(rows, tiles.level * gain[:, None], tiles.overlap, n, slow_sections)
    # Offsets are those of sections already multiplied by their gains.
    return Corrections(gains=gain, offsets=-offset, shifts_px=np.clip(shifts, -max_shift_px, max_shift_px))


@dataclass(frozen=True)
class _Tiles:
    """Brightness of the tiles of all sections (n, n_tiles); NaN in excluded ones."""

    level: DoubleArray
    log_spread: DoubleArray
    overlap: float


@dataclass(frozen=True)
class _Grid:
    """Square tiles with room around them."""

    corners: tuple[tuple[int, int], ...]
    side_px: int
    reach_px: int
    overlap: float

    @classmethod
    def over(cls, shape: tuple[int, ...]) -> _Grid:
        height, width = shape
        reach = min(_REACH_PX, min(shape) // 8)
        side = min(_TILE_PX, min(shape) // 3)
        step = max(1, side * 2 // 3)
        rows = range(reach, height - reach - side + 1, step)
        columns = range(reach, width - reach - side + 1, step)
        return cls(tuple((y, x) for y in rows for x in columns), side, reach, (side / step) ** 2)

    def cut(self, image: FloatArray, corner: tuple[int, int], rim_px: int) -> FloatArray:
        y, x = corner
        return image[y - rim_px : y + self.side_px + rim_px, x - rim_px : x + self.side_px + rim_px]


def _measure(
    volume: Volume,
    kept: list[int],
    max_side_px: int,
    progress: Callable[[int, int], object] | None,
    stop: Callable[[], bool] | None,
) -> tuple[_Tiles, list[Neighbours], list[tuple[Difference, Difference]]] | None:
    grid: _Grid | None = None
    windows: dict[int, FloatArray] = {}
    rows = neighbours_of(kept)
    shifts: list[tuple[Difference, Difference]] = []
    for count, index in enumerate(kept):
        if stop is not None and stop():
            return None
        window = smoothed(central_window(volume.section(index), max_side_px))
        if grid is None:
            grid = _Grid.over(window.shape)
            level = np.full((volume.n_sections, len(grid.corners)), np.nan)
            log_spread = np.full_like(level, np.nan)
        for k, corner in enumerate(grid.corners):
            tile = grid.cut(window, corner, 0)
            level[index, k] = tile.mean(dtype=np.float64)
            log_spread[index, k] = math.log(max(float(tile.std(dtype=np.float64)), 1e-6 * max(abs(level[index, k]), 1)))
        windows[index] = window
        if count >= 2:
            row = rows[count - 2]
            shifts.append(_shift_difference(grid, row, windows))
            del windows[row.below]
        if progress is not None:
            progress(count + 1, len(kept))
    if grid is None:
        return None
    return _Tiles(level, log_spread, grid.overlap), rows, shifts


def _shift_difference(grid: _Grid, row: Neighbours, windows: dict[int, FloatArray]) -> tuple[Difference, Difference]:
    """Displacement (y, x) of the interpolated neighbours against the section, from the better half of the tiles."""
    found = []
    for corner in grid.corners:
        below, tile, above = (grid.cut(windows[i], corner, grid.reach_px) for i in (row.below, row.index, row.above))
        pair = match(tile, below, grid.reach_px), match(tile, above, grid.reach_px)
        if max(abs(v) for m in pair for v in (m.y_px, m.x_px)) < grid.reach_px:
            t = row.weight_above
            y, x = (1 - t) * pair[0].y_px + t * pair[1].y_px, (1 - t) * pair[0].x_px + t * pair[1].x_px
            found.append((min(m.similarity for m in pair), y, x))
    similarity, y_px, x_px = np.array(found).reshape(-1, 3).T
    good = similarity >= max(_MIN_SIMILARITY, float(np.median(similarity)) if similarity.size else 1.0)
    return Difference.of_tiles(y_px[good], grid.overlap), Difference.of_tiles(x_px[good], grid.overlap)


def _solve_tiles(
    rows: list[Neighbours], values: DoubleArray, overlap: float, n: int, slow_sections: float
) -> DoubleArray:
    differences = [
        Difference.of_tiles(
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
