"""Scores on the sections that were held out of a training, beside plain interpolation's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import ConfigError, VolumeError
from napari_emgauss.evaluation.results import MARGIN_DB, MARGIN_SSIM, SSIM_WINDOW, aligned
from napari_emgauss.evaluation.scoring import IntensityScale, score_section
from napari_emgauss.evaluation.sources import MethodKind, SectionSource, resolve_methods
from napari_emgauss.interpolation.plain import Baseline
from napari_emgauss.methods.emgauss import EmgaussConfig, Reconstruction, corrected_like
from napari_emgauss.methods.emgauss.setup import training_sections
from napari_emgauss.resampling.plain import PlainInterpolation, Stop, in_words
from napari_emgauss.resampling.scaling import Scaling
from napari_emgauss.volume import Volume

PLAIN_METHODS = ("linear", "linear+blur", "flow", "flow+blur")
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


@dataclass(frozen=True)
class HeldOutScore:
    """Mean scores of one method on all held-out sections."""

    method: str
    kind: MethodKind
    psnr_db: float
    ssim: float
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
    """

    rows: tuple[HeldOutScore, ...]
    sections: tuple[HeldOutSectionScore, ...]
    preset: str = ""

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
        titles = ("method", "PSNR dB", "SSIM", "sections")
        cells = [(r.method, f"{r.psnr_db:.2f}", f"{r.ssim:.3f}", str(r.n)) for r in self.rows]
        return f"{aligned(titles, cells)}\n\nIntensities in [0, 1]. SSIM window: {SSIM_WINDOW}."

    @property
    def pays(self) -> bool:
        """Whether the reconstruction is better than every plain interpolation, in PSNR or in SSIM."""
        gain_db, gain_ssim = self._gains
        return gain_db >= MARGIN_DB or gain_ssim >= MARGIN_SSIM

    @property
    def _gains(self) -> tuple[float, float]:
        """Over the best plain PSNR, and over the best plain SSIM."""
        best_ssim = max(row.ssim for row in self.rows if row.kind == "baseline")
        return self.reconstruction.psnr_db - self.best_plain.psnr_db, self.reconstruction.ssim - best_ssim

    def verdict(self) -> str:
        """Say in plain words whether the reconstruction paid.

        Its PSNR is compared with the highest of the plain ones, its SSIM with the highest of theirs, so that a blur
        chosen on these very sections counts for plain interpolation.
        """
        ours, best = self.reconstruction, self.best_plain
        gain_db, gain_ssim = self._gains
        where = f"On your {ours.n} held-out sections" if ours.n > 1 else "On your one held-out section"
        rival = f"{in_words(best.method)}, the best plain interpolation"
        hint = " So few sections give only a hint." if ours.n < FEW_SECTIONS else ""
        if not self.pays and self.preset == "fast":
            hint += " The preset 'balanced', which studies your sections first, may do better."
        return f"{where} EMGauss is {_judged(gain_db, gain_ssim, rival)}.{hint}"


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
    total = len(sources) * len(chosen)
    for section in chosen:
        truth = scale.to_unit(volume.section(section))
        for name, source in sources.items():
            if stop():
                return None
            score = score_section(scale.to_unit(source(float(section))), truth, with_fsim=False)
            scores.append(HeldOutSectionScore(name, section, score.psnr_db, score.ssim))
            progress(len(scores), total)
    kinds: dict[str, MethodKind] = {"emgauss": "reconstruction", **{spec.name: spec.kind for spec in specs}}
    rows = tuple(_mean(name, kind, scores) for name, kind in kinds.items())
    return HeldOut(rows, tuple(scores), str(reconstruction.record.get("preset", "")))


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


def plain_psnr_db(
    volume: Volume,
    hold_out: Sequence[int],
    leave_out: Sequence[int] = (),
    method: Baseline | str = "linear",
    to_unit: Callable[[AnyArray], FloatArray] | None = None,
) -> float:
    """PSNR of plain interpolation as a running training's `Progress` has it, to compare the two.

    Parameters
    ----------
    volume
        The stack.
    hold_out, leave_out
        As for the training.
    method
        Baseline or its name.
    to_unit
        Normalisation of intensities; by default that of a training with these sections.

    Returns
    -------
    Mean over the held-out sections of their PSNR in dB.

    Raises
    ------
    ConfigError
        Impossible sections (see `reconstruct`), or none held out.
    """
    if not hold_out:
        raise ConfigError("hold_out names no section, so there is nothing to compare on. Pass at least one.")
    config = EmgaussConfig().with_settings(hold_out=tuple(hold_out), leave_out=tuple(leave_out))
    observed = training_sections(config, volume.n_sections)
    unit = Scaling.of(volume, observed).normalise if to_unit is None else to_unit
    plain = PlainInterpolation(volume, observed, method)
    errors = [np.mean(np.square(unit(plain(float(i))) - unit(volume.section(i))), dtype=float) for i in hold_out]
    return float(np.mean([-10 * np.log10(max(error, 1e-12)) for error in errors]))


def _mean(name: str, kind: MethodKind, scores: Sequence[HeldOutSectionScore]) -> HeldOutScore:
    own = [score for score in scores if score.method == name]
    psnr_db, ssim = (float(np.mean([getattr(score, key) for score in own])) for key in ("psnr_db", "ssim"))
    return HeldOutScore(name, kind, psnr_db, ssim, len(own))


def _judged(gain_db: float, gain_ssim: float, rival: str) -> str:
    """Complete the sentence 'EMGauss is …'."""
    better_db, better_ssim = gain_db >= MARGIN_DB, gain_ssim >= MARGIN_SSIM
    if better_db and better_ssim:
        return f"{_db(gain_db)} better than {rival}"
    if better_db:
        return f"{_db(gain_db)} better than {rival}, but not better in structural similarity (SSIM)"
    if better_ssim:
        return f"better than plain interpolation in structural similarity (SSIM) only, by {gain_ssim:.3f}, not in PSNR"
    if gain_db <= -MARGIN_DB:
        return f"{_db(-gain_db)} worse than {rival}: plain interpolation serves you better"
    return f"no better than {rival}: plain interpolation would serve you as well"


def _db(value: float) -> str:
    return f"{value:.2f} dB" if abs(value) < 0.3 else f"{value:.1f} dB"
