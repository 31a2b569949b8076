"""Fit of particles' views to a map: small changes of pose, shift and defocus, by Levenberg & Marquardt's steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.sums import Coefficients, coefficients, kept_frequencies, transfer
from napari_emgauss.forward.central_slices import CentralSlices
from napari_emgauss.particles import Particles

Numbers = npt.NDArray[np.float64]
N_PARAMETERS = 6
"""Turns, shifts and defocus, as `Particles.with_changed_views` has them."""
STEPS = 4
DEFOCUS_STEP_ANGSTROM = 10.0
"""For the derivative of the CTF, by a difference."""
FIXED = 1e-6
"""Standard deviation of what stays as it is."""
FIRST_DAMPING, LEAST_DAMPING, LESS = 1e-2, 1e-4, 8.0


@dataclass(frozen=True)
class Spread:
    """Standard deviations, per axis, of the changes that are expected; what is 0 stays as it is."""

    turn_rad: float = 0.0
    shift_px: float = 0.0
    defocus_angstrom: float = 0.0

    @property
    def is_none(self) -> bool:
        """Whether all stays as it is."""
        return not any((self.turn_rad, self.shift_px, self.defocus_angstrom))

    @property
    def precision(self) -> Numbers:
        """1/σ² of all parameters."""
        deviations = np.array([*[self.turn_rad] * 3, *[self.shift_px] * 2, self.defocus_angstrom])
        precision: Numbers = 1 / np.maximum(deviations, FIXED) ** 2
        return precision


class _State(NamedTuple):
    cost: Numbers
    gradient: Numbers
    curvature: Numbers


def fit_views(
    slices: CentralSlices,
    particles: Particles,
    indices: Sequence[int],
    weights: FloatArray,
    begin: Numbers,
    spread: Spread,
    *,
    highest: float,
) -> Numbers:
    """Return the most probable changes (k, 6) of some views, for which the map's projections explain the images.

    Parameters
    ----------
    slices
        Of the map.
    particles, indices
        The k images of a batch.
    weights
        One over the variance of every coefficient, (k, f); 0 for those that do not count.
    begin
        Changes (k, 6) to begin with.
    spread
        Of changes about 0: the prior.
    highest
        Frequency up to which images are compared, in cycles per box.
    """
    images, changes, precision = _Images.read(particles, indices, weights, highest), begin.copy(), spread.precision
    state = _evaluate(slices, images, changes, precision)
    damping = np.full(len(changes), FIRST_DAMPING)
    for _ in range(STEPS):
        damped = state.curvature + _diagonals(damping[:, None] * np.diagonal(state.curvature, axis1=1, axis2=2))
        tried = changes - np.linalg.solve(damped, state.gradient[..., None])[..., 0]
        after = _evaluate(slices, images, tried, precision)
        better = after.cost < state.cost
        changes[better] = tried[better]
        for own, new in zip(state, after, strict=True):
            own[better] = new[better]
        damping = np.where(better, np.maximum(damping / LESS, LEAST_DAMPING), damping * LESS)
    return changes


def misfit(
    slices: CentralSlices,
    particles: Particles,
    indices: Sequence[int],
    weights: FloatArray,
    changes: Numbers,
    *,
    highest: float,
) -> Numbers:
    """Return Σ w |y - c P|² (k,) of images whose views are changed by ``changes`` (k, 6)."""
    images = _Images.read(particles, indices, weights, highest)
    return _evaluate(slices, images, changes, np.zeros(N_PARAMETERS)).cost


class _Images(NamedTuple):
    """A batch with what it is compared by."""

    particles: Particles
    own: Coefficients
    weights: FloatArray
    highest: float

    @classmethod
    def read(cls, particles: Particles, indices: Sequence[int], weights: FloatArray, highest: float) -> _Images:
        _, xy = kept_frequencies(particles.box_px)
        within = np.hypot(*xy.T) <= highest
        return cls(particles, coefficients(particles, indices, highest=highest), weights[:, within], highest)

    def transfer(self, defocus_change: Numbers) -> FloatArray:
        indices = self.own.indices
        return transfer(self.particles, indices, defocus_change_angstrom=defocus_change, highest=self.highest)


def _evaluate(slices: CentralSlices, images: _Images, changes: Numbers, precision: Numbers) -> _State:
    """Cost (k,), gradient (k, 6) and Gauss-Newton's curvature (k, 6, 6) of Σ w |y - c P|² + ½ Σ (δ / σ)²."""
    particles, own = images.particles, images.own
    turned = Rotation.from_rotvec(changes[:, :3]).as_matrix() @ particles.rotations[own.indices]
    spectra, derivatives = slices.spectra(own.xy, turned)
    waves = (2j * np.pi / particles.box_px) * own.xy.astype(np.float32)
    moved = np.exp((changes[:, 3:5] @ waves.T).astype(np.complex64))
    at, beyond = (images.transfer(changes[:, 5] + step) for step in (0, DEFOCUS_STEP_ANGSTROM))
    predicted = at * moved * spectra
    columns = np.empty((*predicted.shape, N_PARAMETERS), np.complex64)
    columns[..., :3] = (at * moved)[..., None] * derivatives
    columns[..., 3:5] = predicted[..., None] * waves.astype(np.complex64)
    columns[..., 5] = (beyond - at) / DEFOCUS_STEP_ANGSTROM * moved * spectra
    root = np.sqrt(images.weights)
    residual = root * (own.values - predicted)
    columns *= root[..., None]
    real = columns.view(np.float32).reshape(*predicted.shape, N_PARAMETERS, 2)
    design = real.swapaxes(2, 3).reshape(len(changes), -1, N_PARAMETERS)
    gradient = -2 * (design.swapaxes(1, 2) @ residual.view(np.float32)[..., None])[..., 0]
    curvature = 2 * (design.swapaxes(1, 2) @ design).astype(np.float64)
    cost = (np.abs(residual) ** 2).sum(1, dtype=np.float64)
    return _State(
        cost + 0.5 * (changes**2 @ precision),
        gradient.astype(np.float64) + changes * precision,
        curvature + np.diag(precision),
    )


def _diagonals(values: Numbers) -> Numbers:
    matrices: Numbers = values[..., None] * np.eye(values.shape[-1])
    return matrices
