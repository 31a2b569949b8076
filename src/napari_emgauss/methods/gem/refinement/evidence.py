"""What hidden images say of refined views: neither the map nor the views that they judge by were fitted to them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.sums import batches
from napari_emgauss.forward.central_slices import CentralSlices
from napari_emgauss.methods.gem.refinement.views import N_PARAMETERS, Numbers, Spread, fit_views, misfit
from napari_emgauss.methods.gem.study import ParticleStudy
from napari_emgauss.training import Watch

JUDGING = "judging views"
MOST_JUDGES = 400
"""Images of either half that judge."""
DEVIATIONS = 2.0
LEAST_GAIN = 0.02
"""By how many standard deviations of its mean, and by how much, a gain has to be more than nothing."""
WIDEST = Spread(turn_rad=math.radians(3), shift_px=1.0, defocus_angstrom=300.0)
WIDTHS = 1 / 3, 1
"""Spreads that are tried, as parts of the widest; a wider one only where the one before was better than none."""
KINDS = "shift_px", "turn_rad", "defocus_angstrom"


class Gain(NamedTuple):
    """By how much the log-likelihood of hidden data rises, per image, and the standard deviation of that mean."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Numbers) -> Gain:
        """Return that of single images."""
        return cls(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))

    @property
    def convincing(self) -> bool:
        """Whether it is more than chance, and worth it."""
        return self.mean > max(DEVIATIONS * self.deviation, LEAST_GAIN)


@dataclass(frozen=True)
class Judges:
    """Images of either half that judge the map of the other one.

    Their own views are fitted to a random half of their frequencies, and the other half judges. Nothing of that goes
    into any map.

    Parameters
    ----------
    found
        What the images say with the views as they are given.
    highest
        Frequency up to which images are compared.
    watch
        Pause, stop and progress.
    """

    found: ParticleStudy
    highest: float
    watch: Watch

    def misfits(self, targets: tuple[FloatArray, FloatArray], spread: Spread | None) -> Numbers | None:
        """Return the misfit of every image with the map of the other half, its view refined within ``spread``.

        Without a spread views stay as they are given. None after a stop.
        """
        rng = np.random.default_rng((self.found.setup.seed, 3))  # the same frequencies judge every time
        values = []
        for target, images in zip(targets, reversed(list(self._images())), strict=True):
            own = self._misfits(target, images, spread, rng)
            if own is None:
                return None
            values += own
        return np.concatenate(values)

    def _misfits(
        self, target: FloatArray, images: list[int], spread: Spread | None, rng: np.random.Generator
    ) -> list[Numbers] | None:
        """Those of the images of one half with the map of the other; its slices go when they are done."""
        particles, slices, values = self.found.setup.particles, CentralSlices(target), []
        for batch in batches(images):
            if self.watch.held():
                return None
            weights = self.found.weights[particles.optics_group[batch]]
            changes, judged = np.zeros((len(batch), N_PARAMETERS)), rng.random(weights.shape) < 0.5
            if spread is not None:
                changes = fit_views(slices, particles, batch, weights * ~judged, changes, spread, highest=self.highest)
            values.append(misfit(slices, particles, batch, weights * judged, changes, highest=self.highest))
        return values

    def _images(self) -> Iterator[list[int]]:
        rng = np.random.default_rng((self.found.setup.seed, 2))
        for half in self.found.setup.halves:
            yield np.sort(rng.choice(half, min(len(half), MOST_JUDGES), replace=False)).tolist()


def found_spread(judges: Judges) -> Spread | None:
    """Return within which views have to be refined for hidden images to gain most; nothing of them that do not.

    None after a stop. Shifts, turns and defoci are judged one after the other.
    """
    targets, spread = judges.found.targets, Spread()
    least = judges.misfits(targets, None)
    for kind_number, kind in enumerate(KINDS):
        for number, width in enumerate(WIDTHS):
            judges.watch.tell(JUDGING, kind_number * len(WIDTHS) + number, len(KINDS) * len(WIDTHS))
            tried = replace(spread, **{kind: width * getattr(WIDEST, kind)})
            misfits = judges.misfits(targets, tried)
            if least is None or misfits is None:
                return None
            if not Gain.of(least - misfits).convincing:
                break
            spread, least = tried, misfits
    return spread


def gain_of_hidden_images(judges: Judges, after: ParticleStudy, spread: Spread) -> Gain | None:
    """Return what is gained by the maps of refined views; None after a stop."""
    before = judges.misfits(judges.found.targets, None)
    refined = judges.misfits(after.targets, spread)
    return None if before is None or refined is None else Gain.of(before - refined)
