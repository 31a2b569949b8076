"""Rounds of refinement: views are fitted to the map of their own half, and the map is made again of these views."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.sums import batches
from napari_emgauss.forward.central_slices import CentralSlices
from napari_emgauss.methods.gem.refinement.evidence import WIDEST, Judges, found_spread, gain_of_hidden_images
from napari_emgauss.methods.gem.refinement.gauge import without_drift
from napari_emgauss.methods.gem.refinement.views import N_PARAMETERS, Numbers, Spread, fit_views
from napari_emgauss.methods.gem.study import ParticleStudy, from_sums, summed_halves
from napari_emgauss.training import Store, Watch

REFINING, SUMMING_AGAIN = "refining views", "summing images again"
ROUNDS = 2
RECORD = "views"
RELIABLE, BEYOND = 0.143, 2
"""Views are fitted up to two shells beyond the one where the halves' correlation falls below this."""
FEWEST_SHELLS = 6
NOT_TAKEN = {"taken": False}


@dataclass(frozen=True, eq=False)
class Refinement:
    """What became of the views.

    Parameters
    ----------
    found
        What the images say with the views that were chosen.
    changes
        Of all views (n, 6); None where they are as they were.
    about
        How it was decided: plain JSON values.
    """

    found: ParticleStudy
    changes: Numbers | None
    about: dict[str, Any]


def refine_views(found: ParticleStudy, store: Store, watch: Watch) -> Refinement:
    """Refine all views locally, each to the map of its own half; the new ones are taken if hidden images gain by it.

    After a stop the views are what they were.
    """
    as_it_was = Refinement(found, None, {})
    wanted = found.setup.config.refine
    if wanted == "off":
        return as_it_was
    saved = store.load_record(RECORD)
    if saved is not None:
        return _from_record(found, *saved, watch) or as_it_was
    judges = Judges(found, highest_of(found), watch)
    spread = found_spread(judges) if wanted == "auto" else WIDEST
    if spread is None:
        return as_it_was
    if spread.is_none:
        store.save_record(RECORD, NOT_TAKEN)
        return replace(as_it_was, about=NOT_TAKEN)
    fitted = _fitted(found, spread, watch)
    if fitted is None:
        return as_it_was
    after, changes = fitted
    gain = gain_of_hidden_images(judges, after, spread)
    if gain is None:
        return as_it_was
    taken = wanted == "on" or gain.convincing
    about = {"taken": taken, "gain_of_hidden_images": list(gain), "spread": asdict(spread), **_sizes(after, changes)}
    store.save_record(RECORD, about, {"changes": torch.from_numpy(changes)} if taken else {})
    return Refinement(after, changes, about) if taken else replace(as_it_was, about=about)


def highest_of(found: ParticleStudy) -> int:
    """Return the shell that views are fitted up to: what lies beyond holds no signal of which they could be told."""
    n = len(found.correlation)
    below = np.flatnonzero(found.correlation[1:] < RELIABLE)
    first = 1 + int(below[0]) if below.size else n
    return int(np.clip(first + BEYOND, FEWEST_SHELLS, n - 2))


def _fitted(found: ParticleStudy, spread: Spread, watch: Watch) -> tuple[ParticleStudy, Numbers] | None:
    """What the images say after all rounds, and the changes of the views; None after a stop."""
    halves, after = found.setup.halves, found
    changes = np.zeros((sum(map(len, halves)), N_PARAMETERS))
    for number in range(ROUNDS):
        targets, highest = after.targets, highest_of(after)
        # Sums are large: those of a round are gone before new ones are made.
        after = found
        for half, target in enumerate(targets):
            done = number * len(changes) + half * len(halves[0])
            if not _fit_half(found, half, target, changes, spread, highest, done, watch):
                return None
        summed = _summed(found, changes, watch)
        if summed is None:
            return None
        after = summed
        del summed
    return after, changes


def _fit_half(
    found: ParticleStudy,
    half: int,
    target: FloatArray,
    changes: Numbers,
    spread: Spread,
    highest: float,
    done: int,
    watch: Watch,
) -> bool:
    """Fit the views of a half to its map, in place; return whether it came to its end."""
    particles, indices, slices = found.setup.particles, found.setup.halves[half], CentralSlices(target)
    for batch in batches(indices.tolist()):
        if watch.held():
            return False
        watch.tell(REFINING, done, ROUNDS * len(changes))
        weights = found.weights[particles.optics_group[batch]]
        changes[batch] = fit_views(slices, particles, batch, weights, changes[batch], spread, highest=highest)
        done += len(batch)
    changes[indices] = without_drift(changes[indices], particles.rotations[indices])
    return True


def _summed(found: ParticleStudy, changes: Numbers, watch: Watch) -> ParticleStudy | None:
    setup = replace(found.setup, particles=found.setup.particles.with_changed_views(changes))
    sums = summed_halves(setup, found.weights, watch, stage=SUMMING_AGAIN)
    return None if sums is None else from_sums(setup, found.weights, sums)


def _from_record(found: ParticleStudy, tensors: Any, about: Any, watch: Watch) -> Refinement | None:
    if not about["taken"]:
        return Refinement(found, None, dict(about))
    changes = tensors["changes"].numpy()
    again = _summed(found, changes, watch)
    return None if again is None else Refinement(again, changes, dict(about))


def _sizes(found: ParticleStudy, changes: Numbers) -> dict[str, float]:
    """Root mean squares of the changes."""
    squares = (changes**2).mean(0)
    return {
        "turned_deg": float(np.rad2deg(np.sqrt(squares[:3].sum()))),
        "shifted_angstrom": float(np.sqrt(squares[3:5].sum())) * found.setup.pixel_size_angstrom,
        "defocused_angstrom": float(np.sqrt(squares[5])),
    }
