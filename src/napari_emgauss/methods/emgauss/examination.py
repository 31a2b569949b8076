"""The sections before training: damaged ones are left out, uneven ones corrected where evidence asks for it.

What was found is a record of plain JSON values. It goes into the checkpoint and into the model, and everything that is
done follows from it: going on with either does exactly the same again.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from napari_emgauss.errors import ConfigError, ModelFileError
from napari_emgauss.methods.emgauss.config import EmgaussConfig
from napari_emgauss.methods.emgauss.job import EmgaussJob, training_sections
from napari_emgauss.sections import (
    MAX_ROUNDS,
    CorrectionEvidence,
    Corrections,
    SectionQuality,
    choose_corrections,
    corrected,
    estimate_corrections,
    estimate_noise,
    inspect,
    left_out,
)
from napari_emgauss.training import Control, Event, Progress
from napari_emgauss.volume import Volume

LOGGER = logging.getLogger(__name__)
STAGE = "sections"
PROGRESS_EVERY_S = 0.1
KEYS = ("corrections", "damaged", "noise", "psnr_ceiling_db")
"""Entries of a reconstruction's record that come from here."""
ESTIMATE_PASSES = 1 + MAX_ROUNDS
"""How often sections are looked at, at most, to estimate corrections: once for brightness, and in rounds for shifts."""
CORRECTION_PASSES = ESTIMATE_PASSES + 3
"""The same with what it takes to judge each kind."""
MOST_NAMED = 4


class SectionWatch:
    """Pause, stop and progress while sections are read, before the first iteration.

    Parameters
    ----------
    control
        Pause and stop.
    emit
        Gets a `Progress` now and then.
    n_iterations
        Iterations that follow.
    """

    def __init__(self, control: Control, emit: Callable[[Event], None], n_iterations: int) -> None:
        self.n_expected = 0
        """Sections to be read, those read in several passes counted several times."""
        self._control, self._emit, self._n_iterations = control, emit, n_iterations
        self._begun = self._told = time.monotonic()
        self._n_read = 0

    def held(self) -> bool:
        """Wait while paused; whether a stop is asked for."""
        start = time.monotonic()
        self._control.wait_while_paused()
        self._begun += time.monotonic() - start
        return self._control.stopped

    def tell_read(self, *_: int) -> None:
        """Progress, after each section."""
        self._n_read, now = self._n_read + 1, time.monotonic()
        if now - self._told < PROGRESS_EVERY_S:
            return
        self._told, seconds = now, now - self._begun
        left = seconds / self._n_read * max(self.n_expected - self._n_read, 0)
        self._emit(Progress.outside_blocks(STAGE, 0, self._n_iterations, seconds=seconds, seconds_left=left))


def examine(volume: Volume, config: EmgaussConfig, watch: SectionWatch) -> dict[str, Any] | None:
    """What is wrong with the sections and what is to be done, as entries of a record; None when stopped.

    Parameters
    ----------
    volume
        The stack as recorded; four sections are in memory, and windows of all up to 256 MiB.
    config
        Says what is wanted; sections held out are never left out.
    watch
        Pause, stop and progress; asked before every section.

    Raises
    ------
    ConfigError
        ``hold_out`` or ``leave_out`` is impossible.
    """
    training_sections(config, volume.n_sections)
    wants_corrections = config.sections.correct_sections == "auto"
    watch.n_expected = volume.n_sections * (config.sections.leave_out_damaged + CORRECTION_PASSES * wants_corrections)
    found: dict[str, Any] = {"damaged": []}
    exclude = set(config.sections.leave_out)
    if config.sections.leave_out_damaged:
        qualities = inspect(volume, progress=watch.tell_read, stop=watch.held)
        found["damaged"] = _damage(qualities, config)
        exclude |= set(_indices(found))
        # An unusable end stays, but says nothing about its neighbour.
        exclude |= {q.index for q in qualities if q.unusable and q.index in (0, volume.n_sections - 1)}
    if wants_corrections and not watch.held():
        found["corrections"] = _corrections_record(*_chosen(volume, exclude, set(config.sections.hold_out), watch))
    if watch.held():
        return None
    noise = estimate_noise(volume)
    finite = math.isfinite(noise.psnr_ceiling_db)
    found["noise"] = {"sigma": noise.sigma, "fraction": noise.sigma_fraction}
    found["psnr_ceiling_db"] = noise.psnr_ceiling_db if finite else None
    return found


def _chosen(
    volume: Volume, exclude: set[int], hold_out: set[int], watch: SectionWatch
) -> tuple[Corrections, CorrectionEvidence]:
    """Corrections and their evidence, without the sections held out, which must not shape what they will judge.

    Their own corrections, which bring them into the frame they are scored in, come from a second estimate.
    """
    without = sorted(exclude | hold_out)
    corrections, evidence = choose_corrections(volume, exclude=without, progress=watch.tell_read, stop=watch.held)
    if corrections.is_none or not hold_out:
        return corrections, evidence
    watch.n_expected += ESTIMATE_PASSES * volume.n_sections
    own = estimate_corrections(volume, exclude=sorted(exclude), progress=watch.tell_read, stop=watch.held).whole
    if not corrections.shifts_px.any():
        own = own.without_shifts()
    if corrections.without_shifts().is_none:
        own = own.without_brightness()
    values = {name: np.array(array) for name, array in vars(corrections).items()}
    for name, array in values.items():
        array[sorted(hold_out)] = getattr(own, name)[sorted(hold_out)]
    return Corrections(**values), evidence


def examined(job: EmgaussJob, found: Mapping[str, Any]) -> EmgaussJob:
    """The job on the corrected stack, without the damaged sections.

    Raises
    ------
    ModelFileError
        What was found is not of this stack, or damaged itself.
    """
    leave_out = tuple(sorted({*job.config.sections.leave_out, *_indices(found)}))
    config = job.config.with_settings(leave_out=leave_out)
    return replace(job, volume=corrected_like(job.volume, found), config=config)


def corrected_like(volume: Volume, record: Mapping[str, Any]) -> Volume:
    """The stack as a training saw it, from the reconstruction's record: the volume itself where nothing was corrected.

    A reconstruction is in this frame: compare it with these sections.
    """
    return corrected(volume, corrections_of(record, volume.n_sections))


def corrections_of(record: Mapping[str, Any], n_sections: int) -> Corrections:
    """The corrections that a reconstruction was trained with, from its record.

    Raises
    ------
    ModelFileError
        They are damaged, or of another number of sections.
    """
    entry = record.get("corrections")
    if not entry:
        return Corrections.none(n_sections)
    try:
        if not entry["used"]:
            return Corrections.none(n_sections)
        found = Corrections(**{name: entry[name] for name in ("gains", "offsets", "shifts_px")})
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"the recorded corrections of sections are not usable: {error}") from error
    if found.n_sections != n_sections:
        raise ModelFileError(
            f"the recorded corrections are of {found.n_sections} sections, the stack has {n_sections}."
        )
    return found


def tell_damage(found: Mapping[str, Any], config: EmgaussConfig) -> None:
    """Log every section that is left out without having been named."""
    for entry in found.get("damaged", ()):
        if entry["left_out"] and entry["section"] not in config.sections.leave_out:
            LOGGER.warning(
                "section %d looks damaged (%s): it is left out and reconstructed from its neighbours; "
                "leave_out_damaged=False keeps it",
                entry["section"],
                ", ".join(entry["reasons"]),
            )


def describe_sections(record: Mapping[str, Any]) -> str:
    """What was done about single sections, in plain words, from a reconstruction's record; empty if nothing was.

    The ceiling that noise sets on any score is told with it.
    """
    parts = [_describe_damage(record.get("damaged", ())), _describe_corrections(record.get("corrections"))]
    ceiling_db = record.get("psnr_ceiling_db")
    if ceiling_db is not None:
        parts.append(f"Noise keeps any reconstruction below about {ceiling_db:.1f} dB on these sections.")
    return " ".join(part for part in parts if part)


def _describe_damage(entries: Sequence[Mapping[str, Any]]) -> str:
    gone = [entry for entry in entries if entry["left_out"]]
    kept = [entry for entry in entries if entry["unusable"] and not entry["left_out"]]
    texts = []
    if len(gone) == 1:
        texts.append(f"Section {_listed(gone)} was left out as damaged and is reconstructed from its neighbours.")
    elif gone:
        texts.append(f"Sections {_listed(gone)} were left out as damaged and are reconstructed from their neighbours.")
    if kept:
        looks = "Sections {} look" if len(kept) > 1 else "Section {} looks"
        texts.append(f"{looks.format(_listed(kept))} damaged but {'were' if len(kept) > 1 else 'was'} kept.")
    return " ".join(texts)


def _listed(entries: Sequence[Mapping[str, Any]]) -> str:
    """Like '3 (blank), 7 (blurred) and 5 more'."""
    named = [f"{entry['section']} ({', '.join(entry['reasons'])})" for entry in entries[:MOST_NAMED]]
    if len(entries) > MOST_NAMED:
        named.append(f"{len(entries) - MOST_NAMED} more")
    return " and ".join([", ".join(named[:-1]), named[-1]]) if len(named) > 1 else named[0]


def _describe_corrections(entry: Mapping[str, Any] | None) -> str:
    if not entry or not entry.get("used"):
        return ""
    before_db, after_db = entry["hidden_psnr_db"]["before"], entry["hidden_psnr_db"]["after"]
    return (
        f"{' and '.join(entry['used']).capitalize()} of the sections were evened out: hidden sections are interpolated "
        f"{after_db - before_db:.2f} dB better (better on {entry['n_better']} of {entry['n_hidden']})."
    )


def _damage(qualities: Sequence[SectionQuality], config: EmgaussConfig) -> list[dict[str, Any]]:
    gone = (set(left_out(qualities)) - set(config.sections.hold_out)) | set(config.sections.leave_out)
    return [
        {"section": q.index, "reasons": list(q.damage), "unusable": q.unusable, "left_out": q.index in gone}
        for q in qualities
        if q.damage
    ]


def _indices(found: Mapping[str, Any]) -> tuple[int, ...]:
    try:
        return tuple(int(entry["section"]) for entry in found.get("damaged", ()) if entry["left_out"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"the recorded damage of sections is not usable: {error!r}") from error


def _corrections_record(corrections: Corrections, evidence: CorrectionEvidence) -> dict[str, Any]:
    pairs = list(zip(evidence.before_db, evidence.after_db, strict=True))
    has_brightness = not corrections.without_shifts().is_none
    kinds = {"brightness": has_brightness, "shifts": bool(corrections.shifts_px.any())}
    entry: dict[str, Any] = {"used": [kind for kind, used in kinds.items() if used], "n_hidden": len(pairs)}
    finite = [pair for pair in pairs if all(map(math.isfinite, pair))]
    if finite:
        before_db, after_db = (sum(values) / len(finite) for values in zip(*finite, strict=True))
        entry["hidden_psnr_db"] = {"before": before_db, "after": after_db}
    entry["n_better"] = sum(after > before for before, after in pairs)
    if entry["used"]:
        entry |= {name: values.tolist() for name, values in vars(corrections).items()}
    return entry
