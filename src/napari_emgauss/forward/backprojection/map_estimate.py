"""Maps of voxels from normal equations: the most probable one, and a filter that other images ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.optimize import nnls

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.gridding import ComplexArray
from napari_emgauss.forward.backprojection.sums import NormalEquations
from napari_emgauss.forward.backprojection.wiener import shell_means, shell_planes, signal_to_noise
from napari_emgauss.metrics import fourier_shell_correlation
from napari_emgauss.metrics.maps import half_shells

Numbers = npt.NDArray[np.float64]
STEPS = 12
"""Steps of preconditioned conjugate gradients; more change the map by less than its noise."""
WEAK_PRIOR = 0.1
"""1/τ² of maps that are only compared with each other, as a part of the mean weight of their shells."""
LARGEST_GAIN = 2.0
KNOT_EVERY, MOST_KNOTS = 2, 32
"""Shells between two knots of a filter; more in large boxes, so that there are about half of the second at most."""


def with_prior(equations: NormalEquations, inverse_tau: Numbers) -> NormalEquations:
    """Return the equations of the posterior: K and 1/τ² (shells 0 .. n / 2), which alone rules beyond."""
    spectrum, numbers = np.empty_like(equations.spectrum), np.arange(len(inverse_tau))
    for plane, own, radius in zip(spectrum, equations.spectrum, shell_planes(len(spectrum)), strict=True):
        plane[:] = own + np.interp(radius, numbers, inverse_tau)
    return replace(equations, spectrum=spectrum)


def most_likely_map(equations: NormalEquations, mask: FloatArray, *, steps: int = STEPS) -> FloatArray:
    """Return the map within ``mask`` that minimises the equations, by preconditioned conjugate gradients."""
    means = shell_means(equations.spectrum)
    inverse = 1 / np.interp(half_shells(len(mask)), np.arange(len(means)), np.maximum(means, 1e-4 * means.max()))

    def precondition(volume: FloatArray) -> FloatArray:
        filtered = fft.irfftn(fft.rfftn(mask * volume) * inverse, s=volume.shape)
        return np.asarray(mask * filtered, np.float32)

    estimate, residual = np.zeros_like(equations.b), mask * equations.b
    direction = z = precondition(residual)
    gain = float(np.vdot(residual, z))
    for _ in range(steps):
        if gain <= 0:
            break
        applied = mask * equations.apply(mask * direction)
        step = gain / float(np.vdot(direction, applied))
        estimate = estimate + step * direction
        residual = residual - step * applied
        z = precondition(residual)
        before, gain = gain, float(np.vdot(residual, z))
        direction = z + gain / before * direction
    return np.asarray(mask * estimate, np.float32)


def inverse_tau_of(first: NormalEquations, second: NormalEquations, mask: FloatArray) -> tuple[Numbers, Numbers]:
    """Return 1/τ² per shell for each of two halves, from how far their maps agree, and the correlation of these."""
    means = 0.5 * (shell_means(first.spectrum) + shell_means(second.spectrum))
    weak = WEAK_PRIOR * means + 1e-3 * means.max()
    maps = [most_likely_map(with_prior(half, weak), mask) for half in (first, second)]
    correlation = fourier_shell_correlation(*maps).correlation
    inverse_tau = means / signal_to_noise(correlation)
    # Images hold few or no coefficients of the last shell. Were its weight taken for that of a well-known one, noise
    # would be free to grow there and beyond.
    inverse_tau[-1] = max(inverse_tau[-1], inverse_tau[-2])
    return inverse_tau, correlation


def scaled_shells(volume: FloatArray, factors: Numbers) -> FloatArray:
    """Return a map whose shells 0 .. n / 2 are multiplied by ``factors``."""
    n = volume.shape[0]
    gains = np.interp(half_shells(n), np.arange(len(factors)), factors)
    return np.asarray(fft.irfftn(fft.rfftn(volume) * gains, s=volume.shape), np.float32)


def shell_factors(
    first: Sequence[FloatArray], second: Sequence[FloatArray], halves: tuple[NormalEquations, NormalEquations]
) -> Numbers:
    """Return the factors, at least 0, of shells 0 .. n / 2 of each source whose sum is nearest to the truth.

    A source is the mean of two maps, of the first half and of the second. How much of the truth there is in it follows
    from each map and the images of the half that it has not seen: a shell that holds only noise gets nothing. The
    factors (sources, n / 2 + 1) are linear between knots, and found by least squares (Lawson & Hanson's for what must
    not be negative).
    """
    n = first[0].shape[0]
    step = max(KNOT_EVERY, n // MOST_KNOTS)
    numbers = np.arange(n // 2 + 1)
    hats = [np.clip(1 - np.abs(numbers - knot) / step, 0, 1) for knot in range(0, n // 2 + step, step)]
    hats = [hat for hat in hats if hat.any()]
    whole, filters = halves[0] + halves[1], np.array(hats)
    seen = [fft.rfftn(half.b) for half in halves]
    spectra = [(fft.rfftn(own), fft.rfftn(other)) for own, other in zip(first, second, strict=True)]
    right = np.concatenate(
        [filters @ (_shell_products(a, seen[1], n) + _shell_products(b, seen[0], n)) for a, b in spectra]
    )
    means, columns = [0.5 * (a + b) for a, b in spectra], []
    for mean in means:
        for hat in hats:
            gains = np.interp(half_shells(n), numbers, hat)
            applied = fft.rfftn(whole.apply(np.asarray(fft.irfftn(mean * gains, s=(n,) * 3), np.float32)))
            columns.append(np.concatenate([filters @ _shell_products(own, applied, n) for own in means]))
    matrix = np.array(columns)
    # Shells differ in power by orders of magnitude: each part is scaled to 1, so that the ridge is as small for all.
    unit = 1 / np.sqrt(np.maximum(np.diag(matrix), 1e-30))
    scaled = 0.5 * (matrix + matrix.T) * unit * unit[:, None] + 1e-6 * np.eye(len(matrix))
    values, vectors = np.linalg.eigh(scaled)
    root = np.sqrt(np.maximum(values, 1e-9 * values.max()))
    found, _ = nnls(root[:, None] * vectors.T, vectors.T @ (unit * right) / root)
    limited = np.minimum(found * unit, LARGEST_GAIN).reshape(len(first), len(hats))
    return np.asarray(limited @ filters)


def _shell_products(first: ComplexArray, second: ComplexArray, n: int) -> Numbers:
    """⟨h(first), second⟩ = Σ h[s] p[s] of two spectra (n, n, n // 2 + 1), for any filter h linear between shells: p."""
    radius: Numbers = half_shells(n)
    pairs = np.full(n // 2 + 1, 2.0)
    pairs[[0, -1]] = 1
    products = (first.conj() * second).real * pairs / n**3
    below = np.minimum(radius.astype(np.intp), n // 2)
    part = np.where(below < n // 2, radius - below, 0)  # what lies beyond the last shell goes with it
    total = np.zeros(n // 2 + 2)
    for shell, share in ((below, 1 - part), (below + 1, part)):
        total += np.bincount(shell.ravel(), (products * share).ravel(), len(total))
    return total[: n // 2 + 1]


def scaled_to(volume: FloatArray, equations: NormalEquations) -> float:
    """Return the factor with which a map explains the images best; 0 for a map of nothing."""
    own = float(np.vdot(volume, equations.apply(volume)))
    return float(np.vdot(volume, equations.b)) / own if own > 0 else 0.0
