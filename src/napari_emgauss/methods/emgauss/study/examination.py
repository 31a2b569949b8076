"""Examination of the sections: damaged ones are left out, uneven ones corrected where evidence asks for it.

What was found is a record of plain JSON values. It goes into the checkpoint and into the model, and everything that is
done follows from it: to continue with either does exactly the same again.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_emgauss.errors import ConfigError, ModelFileError, VolumeError
from napari_emgauss.methods.emgauss.config import EmgaussConfig
from napari_emgauss.methods.emgauss.setup import Setup, training_sections
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
from napari_emgauss.training import Store, Watch
from napari_emgauss.volume import Volume

LOGGER = logging.getLogger(__name__)
STAGE = "sections"
KEYS = ("corrections", "damaged", "noise", "psnr_ceiling_db")
"""Entries of a reconstruction's record that come from here."""
ESTIMATE_PASSES = 1 + MAX_ROUNDS
"""How often sections are looked at, at most, to estimate corrections: once for brightness, and in rounds for shifts."""
CORRECTION_PASSES = ESTIMATE_PASSES + 3
"""The same with what it takes to judge each kind."""
MOST_NAMED = 4


@dataclass(frozen=True)
class Examined:
    """A stack after the look at its sections."""

    setup: Setup
    """The corrected stack, without the damaged sections."""
    found: Mapping[str, Any]
    """Entries of a reconstruction's record; empty after a stop."""


def examine(setup: Setup, watch: Watch, store: Store) -> Examined:
    """Look at the sections, or take what the model to continue or the store says of them, and act on it.

    Four sections are in memory, and windows of all up to 256 MiB.

    Raises
    ------
    ConfigError
        ``hold_out`` or ``leave_out`` is impossible.
    ModelFileError
        What was found before is not of this stack, or damaged itself.
    """
    found = _known(setup, store)
    if found is None:
        found = find(setup.volume, setup.config, watch)
        if found:
            _log_damage(found, setup.config)
            store.save_record("sections", found)
    return _acted_on(setup, found)


def examined_before(setup: Setup, store: Store) -> Examined:
    """Return what `examine` did, in a job that another process began.

    Raises
    ------
    ConfigError
        The sections were not examined yet.
    ModelFileError
        What was found is not of this stack, or damaged.
    """
    found = _known(setup, store)
    if found is None:
        raise ConfigError("the sections were not examined yet. Let the process that began the job come so far.")
    return _acted_on(setup, found)


def _acted_on(setup: Setup, found: Mapping[str, Any]) -> Examined:
    leave_out = tuple(sorted({*setup.config.sections.leave_out, *_indices(found)}))
    config = setup.config.with_settings(leave_out=leave_out)
    return Examined(replace(setup, volume=corrected_like(setup.volume, found), config=config), found)


def _known(setup: Setup, store: Store) -> Mapping[str, Any] | None:
    if setup.start is not None:
        return {key: setup.start.record[key] for key in KEYS if key in setup.start.record}
    saved = store.load_record("sections")
    return None if saved is None else saved[1]


class _Reads:
    """Counter of the sections read, those read in several passes counted several times."""

    def __init__(self, watch: Watch, n_expected: int) -> None:
        self.watch, self.n_expected, self.n_read = watch, n_expected, 0

    def tell(self, *_: int) -> None:
        """Report one more."""
        self.n_read += 1
        self.watch.tell(STAGE, self.n_read, max(self.n_expected, self.n_read))


def find(volume: Volume, config: EmgaussConfig, watch: Watch) -> dict[str, Any]:
    """Return what is wrong with the sections and what is to be done, as entries of a record; empty when stopped.

    Sections held out are never left out.

    Raises
    ------
    ConfigError
        ``hold_out`` or ``leave_out`` is impossible.
    VolumeError
        A section that cannot be left out has values that are no intensities.
    """
    training_sections(config, volume.n_sections)
    wanted = config.sections
    wants_corrections = wanted.correct_sections == "auto"
    reads = _Reads(watch, volume.n_sections * (wanted.leave_out_damaged + CORRECTION_PASSES * wants_corrections))
    found: dict[str, Any] = {"damaged": []}
    exclude = set(wanted.leave_out)
    if wanted.leave_out_damaged:
        qualities = inspect(volume, progress=reads.tell, stop=watch.held)
        found["damaged"] = _damage(qualities, config)
        exclude |= set(_indices(found))
        _check_intensities(volume, [q for q in qualities if q.index not in exclude])
        # An unusable end stays, but says nothing about its neighbour.
        exclude |= {q.index for q in qualities if q.unusable and q.index in (0, volume.n_sections - 1)}
    if wants_corrections and not watch.held():
        found["corrections"] = _corrections_record(*_chosen(volume, exclude, set(wanted.hold_out), reads))
    if watch.held():
        return {}
    noise = estimate_noise(volume)
    finite = math.isfinite(noise.psnr_ceiling_db)
    found["noise"] = {"sigma": noise.sigma, "fraction": noise.sigma_fraction}
    found["psnr_ceiling_db"] = noise.psnr_ceiling_db if finite else None
    return found


def _check_intensities(volume: Volume, kept: Sequence[SectionQuality]) -> None:
    """Refuse a stack of which a section is needed that holds something else than intensities."""
    for q in kept:
        if q.n_unusable_px:
            raise VolumeError(
                f"section {q.index} has {q.n_unusable_px} values that are no intensities: NaN, infinite, or absurdly "
                f"far from all others. Replace them (for example with numpy.nan_to_num and numpy.clip) or "
                f"{volume.without(q.index)}."
            )


def _chosen(
    volume: Volume, exclude: set[int], hold_out: set[int], reads: _Reads
) -> tuple[Corrections, CorrectionEvidence]:
    """Corrections and their evidence, without the sections held out, which must not shape what they will judge.

    Their own corrections, which bring them into the frame they are scored in, come from a second estimate.
    """
    without, held = sorted(exclude | hold_out), reads.watch.held
    corrections, evidence = choose_corrections(volume, exclude=without, progress=reads.tell, stop=held)
    if corrections.is_none or not hold_out:
        return corrections, evidence
    reads.n_expected += ESTIMATE_PASSES * volume.n_sections
    own = estimate_corrections(volume, exclude=sorted(exclude), progress=reads.tell, stop=held).whole
    if not corrections.shifts_px.any():
        own = own.without_shifts()
    if corrections.without_shifts().is_none:
        own = own.without_brightness()
    values = {name: np.array(array) for name, array in vars(corrections).items()}
    for name, array in values.items():
        array[sorted(hold_out)] = getattr(own, name)[sorted(hold_out)]
    return Corrections(**values), evidence


def corrected_like(volume: Volume, record: Mapping[str, Any]) -> Volume:
    """Return the stack as a training saw it, from its record: the volume itself where nothing was corrected.

    A reconstruction is in this frame: compare it with these sections.
    """
    return corrected(volume, corrections_of(record, volume.n_sections))


def corrections_of(record: Mapping[str, Any], n_sections: int) -> Corrections:
    """Return the corrections that a reconstruction was trained with, from its record.

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
        names = ("gains", "offsets", "shifts_px")
        found = Corrections(**{name: np.asarray(entry[name], np.float64) for name in names})
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"the recorded corrections of sections are not usable: {error}") from error
    if found.n_sections != n_sections:
        raise ModelFileError(
            f"the recorded corrections are of {found.n_sections} sections, the stack has {n_sections}."
        )
    return found


def _log_damage(found: Mapping[str, Any], config: EmgaussConfig) -> None:
    """Log every section that is left out without having been named."""
    for entry in found.get("damaged", ()):
        if entry["left_out"] and entry["section"] not in config.sections.leave_out:
            LOGGER.warning(
                "section %d looks damaged (%s): it is left out and reconstructed from its neighbours; "
                "leave_out_damaged=False keeps it",
                entry["section"],
                ", ".join(entry["reasons"]),
            )


def describe_sections(record: Mapping[str, Any], *, ceiling: bool = True) -> str:
    """Return what was done about single sections, in plain words, from a reconstruction's record; empty if nothing was.

    The ceiling that noise sets on any score is told with it, unless that is not wanted.
    """
    parts = [_describe_damage(record.get("damaged", ())), _describe_corrections(record.get("corrections"))]
    ceiling_db = record.get("psnr_ceiling_db")
    if ceiling and ceiling_db is not None:
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
