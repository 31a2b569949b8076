"""What is found on the particles before Gaussians are trained: sums over images, noise, agreement, and the sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.map_estimate import inverse_tau_of, most_likely_map, with_prior
from napari_emgauss.forward.backprojection.noise import found_sign, noise_power, noise_weights
from napari_emgauss.forward.backprojection.sums import (
    BATCH,
    FourierSums,
    LikelihoodSums,
    NormalEquations,
    PlainSums,
    batches,
    coefficients,
)
from napari_emgauss.forward.backprojection.wiener import wiener_maps
from napari_emgauss.methods.gem.reconstruction import molecule_sphere
from napari_emgauss.methods.gem.setup import GemSetup
from napari_emgauss.training import Watch

SUMMING = "summing images"
N_FOR_SIGN, N_FOR_NOISE = 1000, 4000
"""Particles that the sign and the noise are found on."""
PIXELS_AT_A_TIME = 2**18
"""Of the images that are summed between two looks at whether to stop."""
HalfSums = tuple[NormalEquations, FourierSums]
"""Of one half: what a likelihood needs, and what a plain back-projection does."""


@dataclass(frozen=True, eq=False)
class ParticleStudy:
    """What the images say, without the images.

    Parameters
    ----------
    setup
        The particles, of a known sign.
    weights
        One over the variance of every coefficient, per optics group (groups, f).
    equations
        Normal equations of each half.
    prior
        1/τ² on shells 0 .. n / 2.
    targets
        Most probable maps of voxels of each half.
    wiener
        Map of all images by the plain way, filtered per shell.
    plain_halves
        Plain half maps before filtering.
    correlation
        Of the half maps of voxels, per shell.
    """

    setup: GemSetup
    weights: FloatArray
    equations: tuple[NormalEquations, NormalEquations]
    prior: npt.NDArray[np.float64]
    targets: tuple[FloatArray, FloatArray]
    wiener: FloatArray
    plain_halves: tuple[FloatArray, FloatArray]
    correlation: npt.NDArray[np.float64]

    def posterior(self, half: int) -> NormalEquations:
        """Return the normal equations of a half with the prior."""
        return with_prior(self.equations[half], self.prior)

    @property
    def mask(self) -> FloatArray:
        """Soft sphere that holds the molecule."""
        return molecule_sphere(self.setup.config, self.setup.box_px)


def with_sign(setup: GemSetup, stop: Callable[[], bool] = lambda: False) -> GemSetup:
    """Return the setup with the sign of the particles, found out where it is not known."""
    particles = setup.particles
    if particles.data_sign:
        return setup
    sign = found_sign(particles, _spread(np.arange(len(particles)), N_FOR_SIGN), stop=stop)
    return replace(setup, particles=replace(particles, data_sign=sign))


def study(setup: GemSetup, watch: Watch | None = None) -> ParticleStudy | None:
    """Read all images once and return what they say; None after a stop."""
    stop = watch.held if watch is not None else lambda: False
    setup = with_sign(setup, stop)
    particles = setup.particles
    power = noise_power(particles, _spread(np.arange(len(particles)), N_FOR_NOISE), stop=stop)
    weights = noise_weights(power, setup.box_px, whiten=setup.config.whiten)
    sums = summed_halves(setup, weights, watch)
    return None if sums is None else from_sums(setup, weights, sums)


def summed_halves(
    setup: GemSetup, weights: FloatArray, watch: Watch | None = None, *, stage: str = SUMMING
) -> tuple[HalfSums, HalfSums] | None:
    """Read all images once and return the sums of both halves; None after a stop."""
    particles, found = setup.particles, []
    done, total = 0, len(particles)
    if watch is not None:
        watch.tell(stage, done, total)
    for half in setup.halves:
        likelihood = LikelihoodSums(setup.box_px, setup.operators)
        plain = PlainSums(setup.box_px, setup.operators)
        for batch in batches(half.tolist(), images_at_a_time(setup.box_px)):
            if watch is not None and watch.held():
                return None
            images = coefficients(particles, batch)
            for sums in (likelihood, plain):
                sums.add(images, particles.rotations[images.indices], weights[particles.optics_group[batch]])
            done += len(batch)
            if watch is not None and done < total:
                watch.tell(stage, done, total)
        # Grids of sums are large: those of the first half are gone before the second's are made.
        found.append((likelihood.equations(), plain.sums))
        del likelihood, plain, sums
    return found[0], found[1]


def images_at_a_time(box_px: int) -> int:
    """Return how many images are summed between looks at whether to stop: few where each takes long."""
    return int(np.clip(PIXELS_AT_A_TIME // box_px**2, 1, BATCH))


def from_sums(setup: GemSetup, weights: FloatArray, sums: tuple[HalfSums, HalfSums]) -> ParticleStudy:
    """Return what the sums of both halves say."""
    mask = molecule_sphere(setup.config, setup.box_px)
    (first, first_linear), (second, second_linear) = sums
    inverse_tau, correlation = inverse_tau_of(first, second, mask)
    prior = setup.config.prior_weight * inverse_tau
    plain = wiener_maps(first_linear, second_linear, mask)
    return ParticleStudy(
        setup=setup,
        weights=weights,
        equations=(first, second),
        prior=prior,
        targets=(most_likely_map(with_prior(first, prior), mask), most_likely_map(with_prior(second, prior), mask)),
        wiener=plain.filtered,
        plain_halves=(plain.first, plain.second),
        correlation=correlation,
    )


def describe_study(found: ParticleStudy) -> dict[str, Any]:
    """Return what was found as plain values."""
    sizes = [len(half) for half in found.setup.halves]
    return {"particles": sum(sizes), "particles_of_halves": sizes, "data_sign": found.setup.particles.data_sign}


def _spread(indices: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """At most ``n`` of the indices, evenly spread."""
    places = np.unique(np.linspace(0, len(indices) - 1, min(n, len(indices))).astype(int))
    return np.asarray(indices[places], np.int64)
