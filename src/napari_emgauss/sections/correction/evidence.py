"""Evidence for corrections: each section is hidden in turn and predicted from its neighbours, with and without."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import FloatArray
from napari_emgauss.metrics import psnr_from_mse
from napari_emgauss.runtime.threads import at_once, for_each
from napari_emgauss.sections.correction.corrections import Corrections
from napari_emgauss.sections.correction.estimation import CorrectionEstimate, estimate_corrections
from napari_emgauss.sections.correction.registration import half_of
from napari_emgauss.sections.correction.second_differences import SectionTriple, triples_of
from napari_emgauss.sections.quality.noise import intensity_range
from napari_emgauss.sections.quality.windows import each_window, even_choice, read_windows
from napari_emgauss.volume import Volume

MARGIN_DB = 0.1
"""Less than this is not worth changing the brightness of a stack for."""
SHIFT_MARGIN_DB = 0.2
"""The same for shifts: tissue that wobbles as a whole gains up to 0.18 dB (docs/lab/shifts.md)."""
MARGIN_ERRORS = 2.0
"""The mean gain must also exceed this many standard errors."""
CHANCE_PX = 16.0
"""A number fitted to a field of side s takes up to (this / s)² of the squared error by chance: few cells fit in."""
MARGIN_SHARE = 2 / 3
"""Share of the hidden sections that must get better."""
BLUR_PX = 1.0
"""Gaussian σ of both predictions. Resampling takes some noise away, which scores by itself; after a blur it cannot."""
PERFECT_DB = 100.0
"""A prediction without any error counts as this much."""
_RIM_PX = 6


@dataclass(frozen=True, kw_only=True)
class CorrectionEvidence:
    """PSNR of linear interpolation at hidden sections, each in its own frame and brightness."""

    sections: tuple[int, ...]
    """Indices of the hidden sections."""

    before_db: tuple[float, ...]
    """PSNR of each without corrections."""

    after_db: tuple[float, ...]
    """PSNR of each with them."""

    chance_db: float = 0.0
    """What a correction of healthy sections may gain, for they are small and seen in the estimate."""

    margin_db: float = MARGIN_DB
    """The least gain that counts."""

    @property
    def mean_before_db(self) -> float:
        """Mean over the hidden sections; NaN if there is none."""
        return _mean(self.before_db)

    @property
    def mean_after_db(self) -> float:
        """Mean over the hidden sections; NaN if there is none."""
        return _mean(self.after_db)

    @property
    def gain_db(self) -> float:
        """Mean improvement; 0 if no section could be hidden."""
        return _mean(self._gains) if self.sections else 0.0

    @property
    def share_better(self) -> float:
        """Share of the hidden sections that got better, 0..1."""
        return _mean([float(gain > 0) for gain in self._gains]) if self.sections else 0.0

    @property
    def convincing(self) -> bool:
        """Whether the corrections should be used: a clear margin in the mean, beyond chance, and on most sections."""
        if len(self.sections) < 2:
            return False
        error_db = float(np.std(self._gains, ddof=1)) / math.sqrt(len(self._gains))
        return (
            self.gain_db >= max(self.margin_db, self.chance_db, MARGIN_ERRORS * error_db)
            and self.share_better >= MARGIN_SHARE
        )

    @property
    def _gains(self) -> list[float]:
        # Sections without contrast are predicted perfectly.
        return [min(a, PERFECT_DB) - min(b, PERFECT_DB) for a, b in zip(self.after_db, self.before_db, strict=True)]


def improves(
    volume: Volume,
    estimate: CorrectionEstimate,
    *,
    exclude: Sequence[int] = (),
    max_sections: int = 64,
    max_side_px: int = 512,
    progress: Callable[[int, int], object] | None = None,
    stop: Callable[[], bool] | None = None,
) -> CorrectionEvidence:
    """Hide each section in turn and interpolate it linearly from its two neighbours, before and after correction.

    The neighbours are carried into the hidden section's own frame and brightness, so that both predictions are compared
    with the very same recorded pixels. Each half of the field is predicted with shifts from the opposite half: what
    moves a whole section is its own, what moves half of it is tissue. Gains and offsets did see the hidden section, but
    are two numbers for all its pixels; what such a fit gains by chance is what `CHANCE_PX` guards against.

    Parameters
    ----------
    volume
        The stack, read section by section.
    estimate
        What is judged.
    exclude
        Damaged sections, which neither predict nor are predicted.
    max_sections
        At most this many sections are hidden, evenly spread.
    max_side_px
        Larger sections are judged in as many pixels as a window of this size has (see `places`).
    progress
        Called with the number of sections done and their total.
    stop
        Asked before each section; when true, the evidence so far is returned.
    """
    read = lru_cache(maxsize=4)(lambda index: read_windows(volume, index, max_side_px))
    rows = triples_of([index for index in range(volume.n_sections) if index not in set(exclude)])
    chosen = [rows[k] for k in even_choice(len(rows), max_sections)] if rows else []
    sections, chance_db = list[int](), 0.0
    before, after = [0.0] * len(chosen), [0.0] * len(chosen)
    nothing = CorrectionEstimate.none(volume.n_sections)
    waiting: dict[int, tuple[list[FloatArray], float]] = {}

    def score(k: int) -> None:
        images, data_range = waiting.pop(k)
        before[k] = _score(nothing, chosen[k], images, data_range)
        after[k] = before[k] if estimate.whole.is_none else _score(estimate, chosen[k], images, data_range)

    for k, row in enumerate(chosen):
        if stop is not None and stop():
            break
        images = [read(index) for index in (row.below, row.index, row.above)]
        data_range = intensity_range(
            volume.dtype, min(float(i.min()) for i in images), max(float(i.max()) for i in images)
        )
        chance_db = -10 * math.log10(1 - min(CHANCE_PX**2 / images[0].size, 0.9))
        waiting[k] = images, data_range
        sections.append(row.index)
        if len(waiting) == at_once(3 * images[0].size):
            for_each(score, list(waiting))
        if progress is not None:
            progress(k + 1, len(chosen))
    for_each(score, list(waiting))
    return CorrectionEvidence(
        sections=tuple(sections),
        before_db=tuple(before[: len(sections)]),
        after_db=tuple(after[: len(sections)]),
        chance_db=chance_db,
        margin_db=SHIFT_MARGIN_DB if estimate.whole.shifts_px.any() else MARGIN_DB,
    )


def choose_corrections(
    volume: Volume,
    *,
    exclude: Sequence[int] = (),
    max_side_px: int = 512,
    progress: Callable[[int, int], object] | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[Corrections, CorrectionEvidence]:
    """Choose the corrections that the stack's own hidden sections ask for: of brightness, of shifts, of both, or none.

    Each kind must be `CorrectionEvidence.convincing` by itself. Parameters are those of
    `estimate_corrections`; ``progress`` starts anew with each estimate and judgement.

    Returns
    -------
    corrections, evidence
        What to use, and its evidence; when nothing convinces, `Corrections.none` and the evidence against both.
    """
    full = estimate_corrections(volume, exclude=exclude, max_side_px=max_side_px, progress=progress, stop=stop)

    def judge(estimate: CorrectionEstimate) -> CorrectionEvidence:
        return improves(volume, estimate, exclude=exclude, max_side_px=max_side_px, progress=progress, stop=stop)

    brightness, shifts = full.without_shifts(), full.without_brightness()
    use_brightness = not brightness.whole.is_none and judge(brightness).convincing
    use_shifts = not shifts.whole.is_none and judge(shifts).convincing
    if use_brightness and use_shifts:
        return full.whole, judge(full)
    if use_brightness or use_shifts:
        chosen = brightness if use_brightness else shifts
        return chosen.whole, judge(chosen)
    evidence = judge(full)
    return (full.whole if evidence.convincing else Corrections.none(volume.n_sections)), evidence


def _score(estimate: CorrectionEstimate, row: SectionTriple, images: list[FloatArray], data_range: float) -> float:
    """Return the PSNR of the hidden section, from the squared errors of all halves."""
    below, hidden, above = images
    t = row.weight_above
    squared = []
    for half, corrections in estimate.elsewhere.items():
        predicted = (1 - t) * each_window(partial(corrections.carry, row.below, row.index), below)
        predicted += t * each_window(partial(corrections.carry, row.above, row.index), above)
        error = half_of(gaussian_filter(predicted, (0, 0, BLUR_PX, BLUR_PX)) - hidden, half)
        rim = min(_RIM_PX, min(error.shape[2:]) // 4)
        squared.append(np.mean(error[..., rim:-rim, rim:-rim].astype(np.float64) ** 2))
    return psnr_from_mse(float(np.mean(squared)), data_range=data_range)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
