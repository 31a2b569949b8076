"""Rules by which measurements of sections become verdicts: words, and a score relative to a threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_emgauss.sections.quality.measures import CHANCE_PX, SectionMeasures

CLEAR = 10.0
"""Score of what leaves no doubt."""
BLANK, NO_INTENSITIES = "blank", "NaN, infinite or absurd values"
"""What is certain wherever it is found."""
_DEVIATIONS = 5.0  # usual deviations, in units of a normal distribution's standard deviation
_REACH, _WINDOW = 3, 10  # sections on each side that give the expected value, and the usual deviation from it
_BRIGHTNESS_SPREADS = 0.6
_LOG_CONTRAST = math.log(1.6)
_LOG_NOISE = math.log(2.0)
_LOG_SHARPNESS = 0.45  # a Gaussian blur of σ 1 px
_TORN_SHARE = 0.02
_SATURATED_SHARE = 0.05
_UNUSABLE_SATURATED_SHARE = 0.5
_BLANK_SHARE = 0.6  # of the signal that the stack's sections usually have: where none has any, noise is the material
_UNLIKE = 0.1  # correlation; more in small fields, where chance plays a larger part
_SWAPPED_CHANCE = 0.4
_END_SHARE = 0.5


@dataclass(frozen=True)
class Verdict:
    """One thing that may be wrong with a section."""

    words: str
    score: float
    """At least 1 where it is wrong."""
    unusable: bool = False


def judge(
    sections: Sequence[SectionMeasures],
    kept: Sequence[int],
    similarity: Mapping[tuple[int, int], float],
    odd: Mapping[int, float],
) -> list[list[Verdict]]:
    """Judge every section, weak verdicts included.

    Parameters
    ----------
    sections
        Measurements of each.
    kept
        Indices of those that are not blank.
    similarity
        Of kept sections one and two apart.
    odd
        Share of a kept section that is unlike its neighbours, by `odd_share` or `torn_end`.
    """
    found: list[list[Verdict]] = [[] for _ in sections]
    usual = float(np.median([section.signal for section in sections if not section.is_constant] or [0.0]))
    for index, section in enumerate(sections):
        if section.is_constant or (section.is_faint and section.signal < _BLANK_SHARE * usual):
            found[index].append(Verdict(BLANK, CLEAR, unusable=True))
        if section.n_unusable_px:
            found[index].append(Verdict(NO_INTENSITIES, CLEAR, unusable=True))
    chosen = [sections[index] for index in kept]
    chance = CHANCE_PX / min((section.side_px for section in chosen), default=math.inf)
    for at, index in enumerate(kept):
        found[index] += _unlike(kept, at, similarity, max(_UNLIKE, chance))
    torn = _torn([odd.get(index, 0.0) for index in kept])
    for index, *verdicts in zip(kept, torn, _saturated(chosen), strict=True):
        found[index] += verdicts[:1] if verdicts[0].score >= 1 else verdicts
    for rule in (_brightness, _contrast, _noise, _sharpness):
        for index, verdict in zip(kept, rule(chosen), strict=True):
            found[index].append(verdict)
    for first in _swapped(kept, similarity, _SWAPPED_CHANCE * chance):
        for index, other in ((kept[first], kept[first + 1]), (kept[first + 1], kept[first])):
            found[index].append(Verdict(f"looks swapped with section {other}", 2.0, unusable=True))
    return found


def _torn(odd: Sequence[float]) -> list[Verdict]:
    above = np.subtract(odd, np.median(odd or [0.0]))
    return [
        Verdict(f"torn or folded: {100 * share:.0f} % of the section", score, unusable=True)
        for score, share in zip(_deviations(odd, _TORN_SHARE), above, strict=True)
    ]


def _saturated(sections: Sequence[SectionMeasures]) -> list[Verdict]:
    shares = [section.extreme_share for section in sections]
    # Where tissue ends on a black ground, a section's neighbour has more of that.
    next_to = [max([*shares[max(0, i - 1) : i], *shares[i + 1 : i + 2]], default=0.0) for i in range(len(shares))]
    return [
        Verdict(f"saturated: {100 * share:.0f} % of the section", score, share - most >= _UNUSABLE_SATURATED_SHARE)
        for share, score, most in zip(shares, _deviations(shares, _SATURATED_SHARE), next_to, strict=True)
    ]


def _unlike(
    kept: Sequence[int], at: int, similarity: Mapping[tuple[int, int], float], threshold: float
) -> list[Verdict]:
    if len(kept) < 3:
        return []
    if at in (0, len(kept) - 1):
        index, near, far = (kept[at], *kept[1:3]) if at == 0 else (kept[at], *kept[-2:-4:-1])
        best = max(_pair(similarity, index, near), _pair(similarity, index, far))
        expected = _END_SHARE * _pair(similarity, near, far)
        return [Verdict("unlike its neighbour", 1 + (expected - best) / threshold, unusable=True)]
    below, index, above = kept[at - 1 : at + 2]
    best = max(_pair(similarity, below, index), _pair(similarity, index, above))
    excess = _pair(similarity, below, above) - best
    return [Verdict("unlike both neighbours although they resemble each other", excess / threshold, unusable=True)]


def _swapped(kept: Sequence[int], similarity: Mapping[tuple[int, int], float], threshold: float) -> list[int]:
    """Return the positions k whose section, exchanged with the next, would follow its neighbours much better."""
    gains = []
    for k in range(1, len(kept) - 2):
        before, first, second, after = kept[k - 1 : k + 3]
        gains.append(
            (
                _pair(similarity, before, second) - _pair(similarity, before, first),
                _pair(similarity, first, after) - _pair(similarity, second, after),
            )
        )
    if not gains:
        return []
    # In order, both are losses; their usual size is what an exchange must win.
    usual = -float(np.median(np.array(gains)))
    return [k for k, pair in enumerate(gains, start=1) if min(pair) > max(0.5 * usual, threshold)]


def _pair(similarity: Mapping[tuple[int, int], float], first: int, second: int) -> float:
    return similarity[min(first, second), max(first, second)]


def _brightness(sections: Sequence[SectionMeasures]) -> list[Verdict]:
    floor = _BRIGHTNESS_SPREADS * float(np.median([s.spread for s in sections] or [1.0]))
    words = "much darker than its neighbours", "much brighter than its neighbours"
    return [Verdict(words[score > 0], abs(score)) for score in _deviations([s.mean for s in sections], floor)]


def _contrast(sections: Sequence[SectionMeasures]) -> list[Verdict]:
    words = "much less contrast than its neighbours", "much more contrast than its neighbours"
    scores = _deviations([_log(s.spread) for s in sections], _LOG_CONTRAST)
    return [Verdict(words[score > 0], abs(score)) for score in scores]


def _noise(sections: Sequence[SectionMeasures]) -> list[Verdict]:
    scores = _deviations([_log(s.noise / s.spread) for s in sections], _LOG_NOISE)
    return [Verdict("much noisier than its neighbours", score) for score in scores]


def _sharpness(sections: Sequence[SectionMeasures]) -> list[Verdict]:
    scores = _deviations([s.sharpness for s in sections], _LOG_SHARPNESS)
    return [Verdict("blurred", -score, unusable=True) for score in scores]


def _deviations(values: Sequence[float], floor: float) -> list[float]:
    """Return each value's deviation from the median of those around, in thresholds of at least ``floor``."""
    n = len(values)
    off = np.zeros(n)
    for i in range(n):
        around = [values[j] for j in range(max(0, i - _REACH), min(n, i + _REACH + 1)) if j != i]
        off[i] = values[i] - np.median(around) if around else 0.0
    scores = []
    for i in range(n):
        usual = 1.4826 * float(np.median(np.abs(off[max(0, i - _WINDOW) : i + _WINDOW + 1])))
        scores.append(float(off[i] / max(_DEVIATIONS * usual, floor, 1e-30)))
    return scores


def _log(value: float) -> float:
    return math.log(max(value, 1e-30))
