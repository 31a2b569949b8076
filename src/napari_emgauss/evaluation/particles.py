"""Whether poses and sign of particles fit together: every image against a map of all the others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.gridding import ComplexArray
from napari_emgauss.forward.backprojection.noise import noise_power, noise_weights
from napari_emgauss.forward.backprojection.sums import (
    FourierSums,
    PlainSums,
    coefficients,
    kept_frequencies,
)
from napari_emgauss.forward.backprojection.wiener import regularised_map, shell_means
from napari_emgauss.forward.simulation import projections_of
from napari_emgauss.metrics.maps import soft_sphere
from napari_emgauss.particles import Particles

REGULARISATION = 0.1
"""1/τ² of the maps, as a part of the largest mean weight of a shell."""
MASK_RADIUS = 0.8
"""Radius within which images are compared, as a part of half the box."""


def leave_one_out_correlation(particles: Particles, *, lowest_angstrom: float | None = None) -> npt.NDArray[np.float64]:
    """Return, for every particle (n,), the correlation of its image with the projection of a map of all the others.

    The map is a plain back-projection, and its projection goes through the particle's CTF. What both images have of
    rings about their centre is left out: all particles have it in common, whatever their poses. Around 0 the poses or
    their convention are wrong. A flipped hand cannot be told: mirrored particles agree with a mirrored map as well.

    Parameters
    ----------
    particles
        A few dozens; each costs a map.
    lowest_angstrom
        Both images are compared down to this resolution only; by default to a quarter of the sampling frequency.
    """
    n, box = len(particles), particles.box_px
    power = noise_power(particles, np.arange(n))
    weights = noise_weights(power, box)[particles.optics_group]
    images = coefficients(particles, range(n))
    sums = [_sums(particles, images.indices[i : i + 1], weights) for i in range(n)]
    total = sums[0]
    for own in sums[1:]:
        total = total + own
    highest = box / 4 if lowest_angstrom is None else box * particles.box_pixel_size_angstrom / lowest_angstrom
    kept, xy = kept_frequencies(box)
    low = np.hypot(*xy.T) <= highest
    axis = np.arange(box) - box // 2
    distance = np.hypot(axis[:, None], axis)
    inside = distance < MASK_RADIUS * box / 2
    ring = np.rint(distance[inside]).astype(np.intp)
    sphere = soft_sphere(box, MASK_RADIUS * box / 2)
    found = []
    for i in range(n):
        others = FourierSums(total.values - sums[i].values, total.weights - sums[i].weights, total.kernel)
        prior = np.full(box // 2 + 1, REGULARISATION * shell_means(others.weights).max())
        projection = projections_of(regularised_map(others, prior) * sphere, padding=2)(particles.rotations[i : i + 1])
        expected = fft.rfft2(fft.ifftshift(projection[0]))[kept] * images.transfer[i]
        drawn, seen = (
            _without_ring_means(_filtered(values * low, kept, box)[inside], ring)
            for values in (expected, images.values[i])
        )
        found.append(float(np.corrcoef(drawn, seen)[0, 1]))
    return np.array(found)


def _sums(particles: Particles, indices: npt.NDArray[np.int64], weights: FloatArray) -> FourierSums:
    plain = PlainSums(particles.box_px)
    plain.add(coefficients(particles, indices.tolist()), particles.rotations[indices], weights[indices])
    return plain.sums


def _without_ring_means(values: FloatArray, ring: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """What is left of pixels without the mean of their ring."""
    means = np.bincount(ring, values) / np.maximum(np.bincount(ring), 1)
    left: npt.NDArray[np.float64] = values - means[ring]
    return left


def _filtered(values: ComplexArray, kept: npt.NDArray[np.bool_], box_px: int) -> FloatArray:
    """An image of some coefficients, about its centre."""
    spectrum = np.zeros(kept.shape, np.complex64)
    spectrum[kept] = values
    return np.asarray(fft.fftshift(fft.irfft2(spectrum, s=(box_px, box_px))), np.float32)
