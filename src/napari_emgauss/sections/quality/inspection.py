"""Inspection of a stack for damaged sections, judged against their neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile

from napari_emgauss._types import AnyArray
from napari_emgauss.runtime.threads import at_once, for_each
from napari_emgauss.sections.quality.alignment import match
from napari_emgauss.sections.quality.measures import (
    SectionLook,
    SectionMeasures,
    look_at,
    look_in_bands,
    odd_share,
    torn_end,
)
from napari_emgauss.sections.quality.verdicts import BLANK, NO_INTENSITIES, Verdict, judge
from napari_emgauss.volume import Volume

DEFAULT_MAX_SIDE_PX = 512
_REACH_PX = 10
_MAX_LEFT_OUT_SHARE = 1 / 3


@dataclass(frozen=True, kw_only=True)
class SectionQuality:
    """Result of `inspect` for one section."""

    index: int
    """Which section."""

    mean: float
    """Mean intensity, in the stack's units."""

    spread: float
    """Standard deviation of intensities, in the stack's units."""

    noise: float
    """Standard deviation of the noise (see `noise_level`), in the stack's units."""

    similarity: float | None
    """Correlation coefficient with the more similar of the two neighbours, after blur and at the best small shift."""

    damage: tuple[str, ...] = ()
    """What is wrong, in plain words; empty for a healthy section."""

    suspicion: float = 0.0
    """0 for a section like its neighbours; 0.5 and more for one with ``damage``, towards 1 the clearer it is."""

    n_unusable_px: int = 0
    """Pixels that are no intensities: NaN, infinite or absurdly far from all others."""

    unusable: bool = False
    """Whether any damage is worse than brightness, contrast or noise, which can be corrected or averaged away."""


@dataclass
class _Walk:
    """Similarities of sections that follow each other, those without a signal skipped, with the last few at hand."""

    similarity: dict[tuple[int, int], float] = field(default_factory=dict)
    odd: dict[int, float] = field(default_factory=dict)
    kept: list[int] = field(default_factory=list)
    recent: dict[int, SectionLook] = field(default_factory=dict)

    def add(self, index: int, look: SectionLook) -> None:
        for other, seen in self.recent.items():
            self.similarity[other, index] = match(seen.blurred, look.blurred, _REACH_PX).similarity
        self.recent[index] = look
        self.kept.append(index)
        if len(self.kept) == 2:
            self._judge_end(*self.kept)
        if len(self.kept) >= 3:
            below, middle, _ = self.kept[-3:]
            self.odd[middle] = odd_share(self.recent[below], self.recent[middle], look)
            del self.recent[below]

    def end(self) -> None:
        """Judge the last section, which has one neighbour only."""
        if len(self.kept) >= 2:
            self._judge_end(*self.kept[:-3:-1])

    def _judge_end(self, index: int, neighbour: int) -> None:
        self.odd[index] = torn_end(self.recent[index], self.recent[neighbour])


def inspect(
    volume: Volume,
    *,
    max_side_px: int = DEFAULT_MAX_SIDE_PX,
    progress: Callable[[int, int], object] | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[SectionQuality, ...]:
    """Judge every section of a stack.

    A section is compared with its neighbours, and the neighbours with each other: where tissue changes fast along z
    they differ too, and nothing is reported. Brightness, contrast, sharpness and noise are judged by their deviation
    from the median of the sections around, in units of the usual deviation.

    Parameters
    ----------
    volume
        The stack; at most three sections are held at a time, as small images, and those that threads look at. Sections
        of more than 16 MiB are read in bands.
    max_side_px
        Larger sections are block-averaged to this size; noise and sharpness are measured at full resolution in as many
        pixels (see `places`).
    progress
        Called with the number of sections read and their total.
    stop
        Asked before each section; once true, only the sections read so far are judged and returned.

    Returns
    -------
    tuple of SectionQuality
        One for each section, in order. Sections with NaN, infinite or absurd values are reported, not refused.
    """
    measured: list[SectionMeasures] = []
    walk = _Walk()
    for index, look in enumerate(_looks(volume, max_side_px, stop or (lambda: False))):
        if not look.measures.is_faint:
            walk.add(index, look)
        measured.append(look.measures)
        if progress is not None:
            progress(index + 1, volume.n_sections)
    walk.end()
    found = judge(measured, walk.kept, walk.similarity, walk.odd)
    return tuple(_quality(index, measured[index], found[index], walk) for index in range(len(measured)))


def _looks(volume: Volume, max_side_px: int, stop: Callable[[], bool]) -> Iterator[SectionLook]:
    """Look at the sections in order, several side by side; at large ones part by part."""
    size_px, is_large = volume.shape[1] * volume.shape[2], len(volume.bands()) > 1
    group = 1 if is_large else at_once(size_px)
    for start in range(0, volume.n_sections, group):
        asked = range(start, min(start + group, volume.n_sections))
        wanted = takewhile(lambda _: not stop(), asked)
        if is_large:
            looks = [look_in_bands(volume, index, max_side_px) for index in wanted]
        else:
            looks = _looks_at_once({index: volume.recorded(index) for index in wanted}, max_side_px)
        yield from looks
        if len(looks) < len(asked):
            return


def _looks_at_once(sections: Mapping[int, AnyArray], max_side_px: int) -> list[SectionLook]:
    looks: dict[int, SectionLook] = {}

    def look(index: int) -> None:
        looks[index] = look_at(sections[index], max_side_px)

    for_each(look, sections)
    return [looks[index] for index in sections]


def left_out(qualities: Sequence[SectionQuality]) -> tuple[int, ...]:
    """Return the indices to leave out by default: unusable ones, but never the first or last: nothing lies beyond.

    Deviating brightness, contrast or noise alone is no reason, and blank sections up to an end of the stack are none:
    what was cut has ended there. Damage is an exception by nature: where more than a third of the sections look
    damaged, only those that are certain (blank, or without finite values) are left out.
    """
    blank = [BLANK in q.damage and NO_INTENSITIES not in q.damage for q in qualities]
    first, last = (blank.index(False), blank[::-1].index(False)) if not all(blank) else (0, 0)
    inner = qualities[max(1, first) : len(qualities) - max(1, last)]
    chosen = [q for q in inner if q.unusable]
    if len(chosen) > _MAX_LEFT_OUT_SHARE * len(qualities):
        chosen = [q for q in chosen if {BLANK, NO_INTENSITIES} & set(q.damage)]
    return tuple(q.index for q in chosen)


def _quality(index: int, measures: SectionMeasures, found: list[Verdict], walk: _Walk) -> SectionQuality:
    similarity = None
    if index in walk.kept:
        at = walk.kept.index(index)
        around = walk.kept[max(0, at - 1) : at + 2]
        pairs = [walk.similarity[pair] for pair in pairwise(around)]
        similarity = max(pairs, default=None)
    strongest = max((f.score for f in found), default=0.0)
    flagged = [f for f in found if f.score >= 1]
    return SectionQuality(
        index=index,
        mean=measures.mean,
        spread=measures.spread,
        noise=measures.noise,
        similarity=similarity,
        damage=tuple(f.words for f in sorted(flagged, key=lambda f: -f.score)),
        suspicion=1 - 0.5 ** max(0.0, strongest),
        n_unusable_px=measures.n_unusable_px,
        unusable=any(f.unusable for f in flagged),
    )
