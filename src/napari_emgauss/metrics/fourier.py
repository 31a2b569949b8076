"""Fourier ring and shell correlation: up to which spatial frequency two images agree.

Saxton & Baumeister 1982 (doi:10.1111/j.1365-2818.1982.tb00405.x); Harauz & van Heel 1986. The thresholds 0.143
(Rosenthal & Henderson 2003) and 0.5 are conventions, not properties of the data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import ConfigError
from napari_emgauss.metrics.checks import check_pair

NYQUIST = 0.5
"""Highest frequency on the sampling grid, cycles per voxel."""


@dataclass(frozen=True, eq=False)
class FourierCorrelation:
    """Correlation of two images over rings or shells of spatial frequency.

    Parameters
    ----------
    frequency
        Centre of each shell in cycles per voxel, from 0 (the mean) to 0.5.
    correlation
        Normalised correlation on each shell, -1 to 1; 0 where either image has no power.
    n_coefficients
        Fourier coefficients on each shell.
    """

    frequency: npt.NDArray[np.float64]
    correlation: npt.NDArray[np.float64]
    n_coefficients: npt.NDArray[np.int64]

    def resolution(self, threshold: float = 0.143) -> float:
        """Return the length in voxels of one period at the first crossing of ``threshold``.

        2 (Nyquist) when the correlation never falls below it, infinite when it is below on the first shell already.

        Raises
        ------
        ConfigError
            The threshold is not strictly between 0 and 1.
        """
        if not 0 < threshold < 1:
            raise ConfigError(
                f"threshold must be between 0 and 1, got {threshold!r}. The usual ones are 0.143 and 0.5."
            )
        frequency, correlation = self.frequency[1:], self.correlation[1:]  # shell 0 is only the mean
        below = np.flatnonzero(correlation < threshold)
        if below.size == 0:
            return 1 / NYQUIST
        last = int(below[0])
        if last == 0:
            return math.inf
        high, low = correlation[last - 1], correlation[last]
        part = (high - threshold) / (high - low)
        return float(1 / (frequency[last - 1] + part * (frequency[last] - frequency[last - 1])))

    def resolution_nm(self, voxel_size_nm: float, threshold: float = 0.143) -> float:
        """Return `resolution` in nanometres for isotropic voxels of ``voxel_size_nm``."""
        return self.resolution(threshold) * voxel_size_nm


def fourier_shell_correlation(a: npt.ArrayLike, b: npt.ArrayLike) -> FourierCorrelation:
    """Return the Fourier shell correlation of two isotropic volumes (Z, Y, X).

    Sides may differ; shells are one cycle per longest side wide. Nothing is masked or tapered: structure cut by the
    faces of the box correlates at all frequencies along the axes, so taper both volumes first if that matters.

    Raises
    ------
    VolumeError
        Shapes differ or are not 3D, or values are NaN or infinite.
    """
    return _correlate(*check_pair(a, b, n_axes=3, min_size_px=4))


def fourier_ring_correlation(a: npt.ArrayLike, b: npt.ArrayLike) -> FourierCorrelation:
    """Return the Fourier ring correlation of two sections (Y, X); see `fourier_shell_correlation`."""
    return _correlate(*check_pair(a, b, n_axes=2, min_size_px=4))


def _correlate(a: FloatArray, b: FloatArray) -> FourierCorrelation:
    longest = max(a.shape)
    n_shells = longest // 2 + 1
    spectrum_a, spectrum_b = fft.rfftn(a), fft.rfftn(b)
    axes = [fft.fftfreq(side) for side in a.shape[:-1]] + [fft.rfftfreq(a.shape[-1])]
    # The half spectrum holds one of each conjugate pair, except in the planes that are their own mirror image.
    pairs = np.full(spectrum_a.shape[-1], 2.0)
    pairs[0] = 1
    if a.shape[-1] % 2 == 0:
        pairs[-1] = 1
    sums = np.zeros((4, n_shells))
    for index, first_frequency in enumerate(axes[0]):  # plane by plane, so that no float64 volume is made
        radius_sq = first_frequency**2 + sum(f**2 for f in np.meshgrid(*axes[1:], indexing="ij", sparse=True))
        shell = np.rint(np.sqrt(radius_sq) * longest).astype(np.intp)
        inside = shell < n_shells
        weight = np.broadcast_to(pairs, shell.shape)
        plane_a, plane_b = spectrum_a[index], spectrum_b[index]
        terms = ((plane_a * plane_b.conj()).real, np.abs(plane_a) ** 2, np.abs(plane_b) ** 2, np.ones_like(weight))
        for row, term in zip(sums, terms, strict=True):
            row += np.bincount(shell[inside], weights=(term * weight)[inside], minlength=n_shells)
    cross, power_a, power_b, count = sums
    norm = np.sqrt(power_a * power_b)
    correlation = np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)
    return FourierCorrelation(np.arange(n_shells) / longest, correlation, np.rint(count).astype(np.int64))
