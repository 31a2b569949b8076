"""Evidence for corrections: each section is hidden in turn and predicted from its neighbours, with and without."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import FloatArray
from napari_emgauss.metrics import psnr_from_mse
from napari_emgauss.runtime.threads import at_once, for_each
from napari_emgauss.sections.correction.corrections import Corrections
from napari_emgauss.sections.correction.estimation import CorrectionEstimate, estimate_corrections
from napari_emgauss.sections.correction.prediction import carried_on, linear
from napari_emgauss.sections.correction.registration import half_of
from napari_emgauss.sections.quality.noise import intensity_range
from napari_emgauss.sections.quality.windows import each_window, even_choice, read_windows
from napari_emgauss.volume import Volume

MARGIN_DB = 0.1
"""Less than this is not worth changing the brightness of a stack for."""
SHIFT_MARGIN_DB, SHIFT_SHARED_DB = 0.2, 1.0
"""The same for shifts, and what hidden sections must gain together beyond it: tissue that wobbles as a whole gains up
to 0.18 dB, nine sections of a body that changes its shape 0.25 (docs/lab/shifts.md)."""
MARGIN_ERRORS = 2.0
"""The mean gain must also exceed this many standard errors."""
CHANCE_PX = 16.0
"""A number fitted to a field of side s takes up to (this / s)² of the squared error by chance: few cells fit in."""
MARGIN_SHARE, MARGIN_CHANCE = 2 / 3, 0.07
"""Share of the hidden sections that must get better; and the largest probability that so many do by tossing coins."""
MAX_STEADY_SECTIONS = 16
"""Motion that goes on takes ten optical flows for each section."""
BLUR_PX = 1.0
"""Gaussian σ of both predictions. Resampling takes some noise away, which scores by itself; after a blur it cannot."""
PERFECT_DB = 100.0
"""A prediction without any error counts as this much."""
_RIM_PX = 6
Predict = Callable[[int, Mapping[int, FloatArray]], FloatArray]


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

    steady: CorrectionEvidence | None = None
    """Of shifts that convince otherwise: the same of predictions by motion that goes on from section to section.

    What moves far and steadily is nothing that interpolation knows, and to shift sections towards each other then makes
    them more alike, in all of the field. But it makes the motion unsteady. Shifts of single sections have to be
    independent: without them motion is the steadier, and predicts hidden sections better."""

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
        """Whether the corrections should be used: a clear margin in the mean, beyond chance, and on most sections.

        Those of shifts by both predictions.
        """
        if len(self.sections) < 2 or (self.steady is not None and not self.steady.convincing):
            return False
        error_db = float(np.std(self._gains, ddof=1)) / math.sqrt(len(self._gains))
        return (
            self.gain_db >= max(self.margin_db, self.chance_db, MARGIN_ERRORS * error_db)
            and self.share_better >= MARGIN_SHARE
            and self._by_chance <= MARGIN_CHANCE
        )

    @property
    def _by_chance(self) -> float:
        """Probability that as many sections get better if each does or does not with the same probability."""
        n, n_better = len(self._gains), sum(gain > 0 for gain in self._gains)
        return sum(math.comb(n, k) for k in range(n_better, n + 1)) * 0.5**n

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
    """Hide each section in turn and predict it from its neighbours, before and after correction.

    Linear interpolation between two predicts it. Shifts that convince by that are judged once more by motion that goes
    on (see `CorrectionEvidence.steady`).

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
    kept = [index for index in range(volume.n_sections) if index not in set(exclude)]
    hidden = _HiddenSections(volume, kept, max_side_px, progress, stop)
    has_shifts = bool(estimate.whole.shifts_px.any())
    nothing = CorrectionEstimate.none(volume.n_sections)
    evidence = hidden.compare(nothing, estimate, linear, reach=1, at_most=max_sections)
    if has_shifts:
        evidence = _of_shifts(evidence)
    if not (has_shifts and evidence.convincing):
        return evidence
    # Who convinces has two hidden sections or more, thus four in all, and each hidden one has two on one side.
    at_most = min(max_sections, MAX_STEADY_SECTIONS)
    steady = hidden.compare(estimate.without_shifts(), estimate, carried_on, reach=2, at_most=at_most)
    return replace(evidence, steady=_of_shifts(steady))


def _of_shifts(evidence: CorrectionEvidence) -> CorrectionEvidence:
    return replace(evidence, margin_db=SHIFT_MARGIN_DB + SHIFT_SHARED_DB / max(len(evidence.sections), 1))


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

    kinds = [kind for kind in (full.without_shifts(), full.without_brightness()) if not kind.whole.is_none]
    convincing = [(kind, evidence) for kind in kinds if (evidence := judge(kind)).convincing]
    if len(convincing) == 1:
        [(chosen, evidence)] = convincing
        return chosen.whole, evidence
    evidence = judge(full)
    use_full = bool(convincing) or evidence.convincing
    return (full.whole if use_full else Corrections.none(volume.n_sections)), evidence


@dataclass(frozen=True)
class _HiddenSections:
    """The ``kept`` sections of a stack, hidden in turn but for the first and last."""

    volume: Volume
    kept: Sequence[int]
    max_side_px: int
    progress: Callable[[int, int], object] | None
    stop: Callable[[], bool] | None

    def compare(
        self, without: CorrectionEstimate, estimate: CorrectionEstimate, predict: Predict, *, reach: int, at_most: int
    ) -> CorrectionEvidence:
        """Predict ``at_most`` of them from up to ``reach`` on both sides, with the one estimate and with the other."""
        inner = range(1, len(self.kept) - 1)
        chosen = [inner[k] for k in even_choice(len(inner), at_most)] if inner else []
        read = lru_cache(maxsize=2 * reach + 2)(lambda index: read_windows(self.volume, index, self.max_side_px))
        sections, chance_db = list[int](), 0.0
        before, after = [0.0] * len(chosen), [0.0] * len(chosen)
        waiting: dict[int, tuple[dict[int, FloatArray], float]] = {}

        def score(k: int) -> None:
            images, data_range = waiting.pop(k)
            hidden = self.kept[chosen[k]]
            before[k] = _score(without, hidden, images, data_range, predict)
            after[k] = before[k] if estimate.whole.is_none else _score(estimate, hidden, images, data_range, predict)

        for k, place in enumerate(chosen):
            if self.stop is not None and self.stop():
                break
            images = {index: read(index) for index in self.kept[max(place - reach, 0) : place + reach + 1]}
            lowest, highest = min(float(i.min()) for i in images.values()), max(float(i.max()) for i in images.values())
            size = images[self.kept[place]].size
            chance_db = -10 * math.log10(1 - min(CHANCE_PX**2 / size, 0.9))
            waiting[k] = images, intensity_range(self.volume.dtype, lowest, highest)
            sections.append(self.kept[place])
            if len(waiting) == at_once(len(images) * size):
                for_each(score, list(waiting))
            if self.progress is not None:
                self.progress(k + 1, len(chosen))
        for_each(score, list(waiting))
        return CorrectionEvidence(
            sections=tuple(sections),
            before_db=tuple(before[: len(sections)]),
            after_db=tuple(after[: len(sections)]),
            chance_db=chance_db,
        )


def _score(
    estimate: CorrectionEstimate, index: int, images: Mapping[int, FloatArray], data_range: float, predict: Predict
) -> float:
    """Return the PSNR of section ``index``, hidden, from the squared errors of all halves."""
    hidden, squared = images[index], list[float]()

    def predicted(corrections: Corrections) -> FloatArray:
        carried = {
            other: each_window(partial(corrections.carry, other, index), image)
            for other, image in images.items()
            if other != index
        }
        return np.asarray(gaussian_filter(predict(index, carried), (0, 0, BLUR_PX, BLUR_PX)), np.float32)

    unshifted = not any(corrections.shifts_px.any() for corrections in estimate.elsewhere.values())
    alike = predicted(estimate.whole) if unshifted else None
    for half, corrections in estimate.elsewhere.items():
        error = half_of((predicted(corrections) if alike is None else alike) - hidden, half)
        rim = min(_RIM_PX, min(error.shape[2:]) // 4)
        squared.append(float(np.mean(error[..., rim:-rim, rim:-rim].astype(np.float64) ** 2)))
    return psnr_from_mse(float(np.mean(squared)), data_range=data_range)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
