"""Plain back-projection with a Wiener filter per shell, the way of RELION: the rival of a map of Gaussians.

Scheres 2012 (doi:10.1016/j.jsb.2012.09.006): Σ w c y / (Σ w c² + 1/τ²), τ² from the correlation of the half maps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.gridding import to_real_space
from napari_emgauss.forward.backprojection.sums import FourierSums
from napari_emgauss.metrics import fourier_shell_correlation

Numbers = npt.NDArray[np.float64]
LARGEST_FSC = 0.999
FLOOR = 1e-2
"""Regularisation of maps whose τ² is not known yet, as a part of the mean weight of a shell."""


def shell_planes(grid_px: int) -> Iterator[Numbers]:
    """Yield the radius of every node of a half grid, plane by plane, in cycles per box of half the size."""
    axis, x = fft.fftfreq(grid_px, 1 / grid_px), np.arange(grid_px // 2 + 1)
    for z in axis:
        yield np.sqrt(z**2 + axis[:, None] ** 2 + x**2) / 2


def shell_means(values: FloatArray) -> Numbers:
    """Return the mean of a half grid on every shell 0 .. box / 2; it is read plane by plane."""
    m = values.shape[0]
    totals, counts = np.zeros(m // 4 + 1), np.zeros(m // 4 + 1)
    for plane, radius in zip(values, shell_planes(m), strict=True):
        shell = np.rint(radius).astype(np.intp)
        inside = shell <= m // 4
        totals += np.bincount(shell[inside], plane[inside], m // 4 + 1)
        counts += np.bincount(shell[inside], minlength=m // 4 + 1)
    return totals / counts


def regularised_map(sums: FourierSums, inverse_tau: Numbers) -> FloatArray:
    """Return Σ w c y / (Σ w c² + 1/τ²) as a map (z, y, x); ``inverse_tau`` is 1/τ² on every shell 0 .. box / 2."""
    m = sums.weights.shape[0]
    estimate, numbers = np.empty_like(sums.values), np.arange(len(inverse_tau))
    for plane, values, weights, radius in zip(estimate, sums.values, sums.weights, shell_planes(m), strict=True):
        prior = np.interp(radius, numbers, inverse_tau)
        plane[:] = np.where(radius <= m // 4, values / np.maximum(weights + prior, 1e-30), 0)
    return to_real_space(estimate, sums.kernel, m // 2) / np.float32(m) ** 3


@dataclass(frozen=True, eq=False)
class WienerMaps:
    """What a plain back-projection gives."""

    filtered: FloatArray
    """Map of all images, filtered per shell, within the mask."""
    first: FloatArray
    """Map of the first half, before filtering."""
    second: FloatArray
    """Map of the second half."""
    ssnr: Numbers
    """Signal-to-noise ratio of a half on every shell, FSC / (1 - FSC)."""


def wiener_maps(first: FourierSums, second: FourierSums, mask: FloatArray) -> WienerMaps:
    """Return maps of two halves, and that of both filtered by how far they agree within the mask.

    1/τ² is the mean weight of a shell divided by the signal-to-noise ratio of a half.
    """
    weights = [shell_means(half.weights) for half in (first, second)]
    maps = [
        regularised_map(half, FLOOR * (weight + weight.max()))
        for half, weight in zip((first, second), weights, strict=True)
    ]
    ssnr = signal_to_noise(fourier_shell_correlation(*(own * mask for own in maps)).correlation)
    inverse_tau = 0.5 * (weights[0] + weights[1]) / ssnr
    return WienerMaps(regularised_map(first + second, inverse_tau) * mask, maps[0], maps[1], ssnr)


def signal_to_noise(fsc: Numbers) -> Numbers:
    """Return FSC / (1 - FSC) per shell, hardly anything beyond the first shell without correlation."""
    limited = np.clip(fsc, 1e-3, LARGEST_FSC)
    beyond = np.flatnonzero(fsc[1:] <= 0)
    if beyond.size:
        limited[1 + beyond[0] :] = 1e-3
    ratio: Numbers = limited / (1 - limited)
    return ratio
