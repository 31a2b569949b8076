"""Scores on the sections that were held out of a training, beside plain interpolation's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from napari_emgauss.errors import ConfigError, VolumeError
from napari_emgauss.evaluation.places import Place, Places, places_of_gain, square_structures
from napari_emgauss.evaluation.results import MARGIN_DB, MARGIN_SSIM, SSIM_WINDOW, aligned
from napari_emgauss.evaluation.scoring import score_section, structure
from napari_emgauss.evaluation.sources import MethodKind, SectionSource, resolve_methods
from napari_emgauss.methods.emgauss import GUESSES, Draft, Reconstruction, corrected_like
from napari_emgauss.metrics import psnr
from napari_emgauss.resampling.plain import PlainInterpolation, Stop, in_words
from napari_emgauss.resampling.unit import IntensityScale
from napari_emgauss.volume import Volume

PLAIN_METHODS = ("linear", "linear+blur", "flow", "flow+blur")
MARGIN_STRUCTURE = 0.005
"""Differences of the structure score below this are none."""
LOST = " At the narrower gaps of your stack this can come out the other way: look at both in xz and yz."
HINT = " So few sections give only a hint."
FEW_SECTIONS = 3
"""With fewer sections than this a verdict is called a hint."""

NOTHING_HELD_OUT = (
    "nothing was held out when this model was trained, so nothing says how good it is on this stack. "
    "Train once more with some sections held out, for example hold_out=(2, 6) or --hold-out 2 6."
)

ScoreProgress = Callable[[int, int], None]
"""Called with (images scored, images in all)."""


@dataclass(frozen=True)
class HeldOutSectionScore:
    """Scores of one method on one held-out section."""

    method: str
    section: int
    """Index in the stack."""
    psnr_db: float
    ssim: float
    structure: float
    """How well structures agree at every scale; no blur improves it (see `scoring.structure`)."""


@dataclass(frozen=True)
class HeldOutScore:
    """Mean scores of one method on all held-out sections."""

    method: str
    kind: MethodKind
    psnr_db: float
    ssim: float
    structure: float
    n: int
    """Number of sections."""


@dataclass(frozen=True)
class HeldOut:
    """Scores of a reconstruction and of plain interpolation on sections that neither has seen.

    Attributes
    ----------
    rows
        Means, the reconstruction first.
    sections
        Scores of every method on every held-out section.
    preset
        Preset that the reconstruction was trained with, if known.
    gaps_nm
        Mean width of the gaps around the held-out sections, and of those that the reconstruction is made for.
    places
        Where structures are drawn best and worst, compared with the best plain interpolation.
    """

    rows: tuple[HeldOutScore, ...]
    sections: tuple[HeldOutSectionScore, ...]
    preset: str = ""
    gaps_nm: tuple[float, float] = (2.0, 1.0)
    places: Places = field(default_factory=Places)

    def __str__(self) -> str:
        return f"{self.table()}\n\n{self.verdict()}"

    @property
    def reconstruction(self) -> HeldOutScore:
        """The reconstruction's row."""
        return next(row for row in self.rows if row.kind == "reconstruction")

    @property
    def best_plain(self) -> HeldOutScore:
        """The plain interpolation of the highest PSNR."""
        return max((row for row in self.rows if row.kind == "baseline"), key=lambda row: row.psnr_db)

    def table(self) -> str:
        """Return aligned plain text, one row per method."""
        titles = ("method", "PSNR dB", "SSIM", "structure", "sections")
        cells = [(r.method, f"{r.psnr_db:.2f}", f"{r.ssim:.3f}", f"{r.structure:.3f}", str(r.n)) for r in self.rows]
        return f"{aligned(titles, cells)}\n\nIntensities in [0, 1]. SSIM window: {SSIM_WINDOW}."

    @property
    def best_structure(self) -> HeldOutScore:
        """The plain interpolation that structures agree best with."""
        return max((row for row in self.rows if row.kind == "baseline"), key=lambda row: row.structure)

    @property
    def pays(self) -> bool:
        """Whether the reconstruction is better than every plain interpolation, in one of the three scores."""
        gain_db, gain_ssim, gain_structure = self._gains
        return gain_db >= MARGIN_DB or gain_ssim >= MARGIN_SSIM or gain_structure >= MARGIN_STRUCTURE

    @property
    def n_better(self) -> int:
        """Number of sections on which structures are drawn better than by the best plain interpolation."""
        rival = self.best_structure.method
        by_method = {(score.method, score.section): score.structure for score in self.sections}
        ours = {section: value for (method, section), value in by_method.items() if method == "emgauss"}
        return sum(value > by_method[rival, section] for section, value in ours.items())

    @property
    def _gains(self) -> tuple[float, float, float]:
        """Over the best plain PSNR, SSIM and structure, each of its own method."""
        ours, best_ssim = self.reconstruction, max(row.ssim for row in self.rows if row.kind == "baseline")
        return (
            ours.psnr_db - self.best_plain.psnr_db,
            ours.ssim - best_ssim,
            ours.structure - self.best_structure.structure,
        )

    def verdict(self) -> str:
        """Say in plain words what the held-out sections tell.

        The gaps there are wider than those that the reconstruction is made for: it can be better at the latter where it
        is not here, which is said. PSNR and SSIM reward blur, the structure score does not; each is compared with the
        plain interpolation that is best in it.
        """
        ours, (tested_nm, real_nm) = self.reconstruction, self.gaps_nm
        where = f"{ours.n} held-out sections" if ours.n > 1 else "one held-out section"
        lead = f"A harder test (gaps of {tested_nm:.0f} nm instead of {real_nm:.0f}), on your {where}: "
        tail = "" if self.pays else LOST
        if ours.n < FEW_SECTIONS:
            tail += HINT
        if not self.pays and self.preset == "fast":
            tail += " The preset 'balanced', which studies your sections first, may do better."
        return lead + self._judged() + tail

    def in_words(self) -> str:
        """Say what `verdict` does without a number that one would have to know."""
        ours, (tested_nm, real_nm) = self.reconstruction, self.gaps_nm
        of = f"{ours.n} held-out sections" if ours.n > 1 else "one held-out section"
        test = f"at a harder test (gaps of {tested_nm:.0f} nm instead of {real_nm:.0f})"
        gain_db, gain_ssim, gain_structure = self._gains
        if gain_structure >= MARGIN_STRUCTURE:
            told = f"Membranes follow through the gap: better than interpolation on {self.n_better} of {of}, {test}."
        elif gain_db >= MARGIN_DB or gain_ssim >= MARGIN_SSIM:
            told = f"Closer to the truth than interpolation on your {of}, {test}; structures follow as well as with it."
        else:
            told = f"No better than interpolation on your {of}, {test}.{LOST}"
        return f"{told}{HINT if ours.n < FEW_SECTIONS else ''} {GUESSES}"

    def _judged(self) -> str:
        gain_db, gain_ssim, gain_structure = self._gains
        best, n = in_words(self.best_plain.method), self.reconstruction.n
        fidelity = (
            f"in PSNR EMGauss is {_db(gain_db)} better than {best}, the best of them"
            if gain_db >= MARGIN_DB
            else f"in PSNR it is {_db(-gain_db)} below {best}"
            if gain_db <= -MARGIN_DB
            else f"in PSNR it is level with {best}"
        )
        if gain_structure >= MARGIN_STRUCTURE:
            followed = f"structures follow through the gap better than with any plain interpolation, on {self.n_better}"
            return f"{followed} of {n}; {fidelity}."
        if gain_db >= MARGIN_DB:
            return f"{fidelity.replace('the best of them', 'the best plain interpolation')}; structures follow as well."
        if gain_ssim >= MARGIN_SSIM:
            return f"EMGauss is better than plain interpolation in SSIM only, by {gain_ssim:.3f}."
        return f"EMGauss is not better than plain interpolation: {fidelity}."


def score_held_out(
    volume: Volume,
    reconstruction: Reconstruction,
    *,
    methods: Sequence[str] = PLAIN_METHODS,
    stop: Stop = lambda: False,
    progress: ScoreProgress = lambda done, of: None,
) -> HeldOut | None:
    """Score a reconstruction and plain interpolations on the sections held out of its training.

    The interpolations too see only the sections it was trained on: the neighbours of a held-out section are two gaps
    apart, which is harder than the gaps that the reconstruction is made for. Sections left out as damaged are not
    scored. Where the training corrected brightness or shifts of single sections, all methods see the corrected ones
    and are scored on them: what is compared is interpolation, not correction. Intensities are brought to [0, 1] as in
    `evaluate`.

    Parameters
    ----------
    volume
        The whole stack, as it was given to the training.
    reconstruction
        Trained with ``hold_out``.
    methods
        Names of baselines; ``+blur`` without a number stands for all published blurs, and the best of them counts.
    stop
        Asked before every image.
    progress
        Called after every image.

    Returns
    -------
    None when stopped.

    Raises
    ------
    ConfigError
        No section was held out, or a method is unknown.
    VolumeError
        The stack is another one.
    """
    chosen = held_out_sections(reconstruction)
    if not chosen:
        raise ConfigError(NOTHING_HELD_OUT)
    check_stack(volume, reconstruction)
    scale = IntensityScale.of(volume)
    volume = corrected_like(volume, reconstruction.record)
    specs = resolve_methods(methods, preset="balanced")
    if any(spec.kind != "baseline" for spec in specs):
        raise ConfigError(f"methods must name plain interpolations, got {', '.join(s.name for s in specs)}.")
    sources: dict[str, SectionSource] = {"emgauss": reconstruction.render}
    sources |= {s.name: PlainInterpolation(volume, reconstruction.observed, s.name).section for s in specs}
    scores: list[HeldOutSectionScore] = []
    local: dict[tuple[str, int], npt.NDArray[np.float64]] = {}
    total = len(sources) * len(chosen)
    for section in chosen:
        truth = scale.to_unit(volume.section(section))
        for name, source in sources.items():
            if stop():
                return None
            image = scale.to_unit(source(float(section)))
            score = score_section(image, truth, with_fsim=False)
            scores.append(HeldOutSectionScore(name, section, score.psnr_db, score.ssim, structure(image, truth)))
            local[name, section] = square_structures(image, truth)
            progress(len(scores), total)
    kinds: dict[str, MethodKind] = {"emgauss": "reconstruction", **{spec.name: spec.kind for spec in specs}}
    rows = tuple(_mean(name, kind, scores) for name, kind in kinds.items())
    dz, observed = volume.voxel_size_nm[0], reconstruction.observed
    tested = [dz * (min(i for i in observed if i > k) - max(i for i in observed if i < k)) for k in chosen]
    result = HeldOut(rows, tuple(scores), str(reconstruction.record.get("preset", "")), (float(np.mean(tested)), dz))
    rival, found = result.best_structure.method, list[Place]()
    for section in chosen:
        gains = local["emgauss", section] - local[rival, section]
        found += places_of_gain(float(section), volume.shape[1:], gains)
    return replace(result, places=Places.among(found))


def held_out_sections(reconstruction: Reconstruction) -> tuple[int, ...]:
    """Return the sections that can be scored, increasing: held out of the training and not damaged."""
    return tuple(sorted(set(reconstruction.held_out) - set(reconstruction.left_out)))


def check_stack(volume: Volume, reconstruction: Reconstruction) -> None:
    """Raise `VolumeError` unless ``volume`` can be the stack that was reconstructed."""
    if volume.shape != reconstruction.shape:
        raise VolumeError(
            f"the model is of a stack of shape {reconstruction.shape}, this one has {volume.shape}. "
            "Choose the stack, or the part of it, that the model was trained on."
        )


def plain_levels(
    volume: Volume, draft: Draft, methods: Sequence[str] = PLAIN_METHODS, *, stop: Stop = lambda: False
) -> dict[str, float]:
    """PSNR of plain interpolations on the held-out sections of a stack in training, as `score_held_out` has it.

    Parameters
    ----------
    volume
        The stack, as it was given to the training.
    draft
        The stack in training: once it was examined, sections are corrected as they are for the reconstruction.
    methods
        As for `score_held_out`.
    stop
        Asked before every image.

    Returns
    -------
    Means over the held-out sections in dB, by the name of the method; empty when stopped, or nothing is held out.
    """
    corrected, chosen = draft.volume, sorted(set(draft.held_out) - set(draft.left_out))
    if not chosen:
        return {}
    unit, levels = IntensityScale.of(volume).to_unit, dict[str, float]()
    for spec in resolve_methods(methods, preset="balanced"):
        plain, scores = PlainInterpolation(corrected, draft.observed, spec.name), []
        for section in chosen:
            if stop():
                return {}
            scores.append(psnr(unit(plain.section(float(section))), unit(corrected.section(section))))
        levels[spec.name] = float(np.mean(scores))
    return levels


def _mean(name: str, kind: MethodKind, scores: Sequence[HeldOutSectionScore]) -> HeldOutScore:
    own = [score for score in scores if score.method == name]
    means = {key: float(np.mean([getattr(score, key) for score in own])) for key in ("psnr_db", "ssim", "structure")}
    return HeldOutScore(name, kind, n=len(own), **means)


def _db(value: float) -> str:
    return f"{value:.2f} dB" if abs(value) < 0.3 else f"{value:.1f} dB"
