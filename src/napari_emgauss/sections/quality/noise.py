"""Noise of a stack: its strength, the ceiling it sets to any score, and a light remedy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve
from skimage.restoration import denoise_nl_means

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import ConfigError
from napari_emgauss.metrics import psnr_from_mse
from napari_emgauss.sections.quality.standard import standardised
from napari_emgauss.sections.quality.windows import even_choice, read_windows
from napari_emgauss.volume import Volume

DEFAULT_MAX_SECTIONS = 16
"""Sections that `estimate_noise` looks at, spread evenly over the stack."""


def noise_level(section: FloatArray) -> float:
    """Estimate the standard deviation of the noise of an image (Y, X), in its own intensity units.

    The Laplacian of a Laplacian, blind to anything locally linear (Immerkær 1996, doi:10.1006/cviu.1996.0060, eq. 3).
    It reads too high where structure is as fine as a pixel, and too low where noise is correlated between pixels
    (after resampling, binning, JPEG or a detector with blur), because it hears only the highest frequencies.
    """
    second = np.array([1.0, -2.0, 1.0])
    response = convolve(section, np.outer(second, second))
    return float(math.sqrt(math.pi / 2) / 6 * np.abs(response[1:-1, 1:-1]).mean())


def mean_noise_level(windows: FloatArray) -> float:
    """Return the mean `noise_level` of windows (rows, columns, Y, X) of a section."""
    return float(np.mean([noise_level(window) for row in windows for window in row]))


def denoise_lightly(section: FloatArray) -> FloatArray:
    """Apply non-local means (Buades 2005) to an image (Y, X) at 0.6 of the estimated noise level."""
    sigma = noise_level(section)
    if sigma == 0:
        return section
    cleaned = denoise_nl_means(section, h=0.6 * sigma, sigma=sigma, patch_size=5, patch_distance=6, fast_mode=True)
    return np.asarray(cleaned, np.float32)


def psnr_ceiling_db(noise_sigma: float, data_range: float = 1.0) -> float:
    """Return the PSNR of the noise-free truth itself against noisy sections, 20·log10(data_range / σ).

    No reconstruction can be expected above it: independent noise of variance σ² cannot be predicted from other
    sections, so it stays in the mean squared error whole. Noise that is shared between sections (a detector's fixed
    pattern) can be predicted and lifts the true ceiling.

    Parameters
    ----------
    noise_sigma
        Standard deviation of the noise.
    data_range
        Largest possible difference of two intensities, in the same unit.

    Returns
    -------
    float
        Decibels; infinite without noise.

    Raises
    ------
    ConfigError
        ``noise_sigma`` is negative or not finite, or ``data_range`` is not positive.
    """
    if not (math.isfinite(noise_sigma) and noise_sigma >= 0):
        raise ConfigError(f"noise_sigma must be a finite number >= 0, got {noise_sigma}. Pass 0 for no noise.")
    return psnr_from_mse(noise_sigma**2, data_range=data_range)


@dataclass(frozen=True, kw_only=True)
class NoiseEstimate:
    """Noise of a stack and the ceiling it sets."""

    sigma: float
    """Median over the sections looked at, in the stack's intensity units."""

    data_range: float
    """What PSNR refers to: 255 for uint8, else the range seen in these windows."""

    psnr_ceiling_db: float
    """What a perfect reconstruction would score against noisy sections, in dB (see the function of this name)."""

    @property
    def sigma_fraction(self) -> float:
        """Noise as a fraction of the range."""
        return self.sigma / self.data_range


def estimate_noise(
    volume: Volume, *, max_sections: int = DEFAULT_MAX_SECTIONS, max_side_px: int = 512
) -> NoiseEstimate:
    """Estimate the noise of a stack from windows of evenly spread sections.

    It is an upper limit on the noise of smooth tissue when structure is fine, and a lower limit when noise is
    correlated between pixels (see `noise_level`): then the true ceiling is lower than the one given.

    Parameters
    ----------
    volume
        The stack; one section is in memory at a time.
    max_sections
        At most this many sections are read.
    max_side_px
        Larger sections are looked at in as many pixels as a window of this size has (see `places`). Pixels that are
        NaN, infinite or absurdly far from all others are passed over.

    Raises
    ------
    ConfigError
        ``max_sections`` or ``max_side_px`` is too small.
    """
    indices = even_choice(volume.n_sections, max_sections)
    levels, low, high = [], math.inf, -math.inf
    for index in indices:
        windows = read_windows(volume, index, max_side_px)
        seen = standardised(windows.reshape(-1, windows.shape[-1]))
        levels.append(seen.scale * mean_noise_level(seen.image.reshape(windows.shape)))
        ends = [seen.centre + seen.scale * float(end) for end in (seen.image.min(), seen.image.max())]
        low, high = min(low, ends[0]), max(high, ends[1])
    data_range = intensity_range(volume.dtype, low, high)
    sigma = float(np.median([level for level in levels if level > 0] or [0.0]))
    return NoiseEstimate(
        sigma=sigma,
        data_range=data_range,
        psnr_ceiling_db=psnr_ceiling_db(sigma, data_range),
    )


def intensity_range(dtype: np.dtype[np.generic], low: float, high: float) -> float:
    """Return the range that scores refer to, as in `evaluation`: 255 for uint8, else what was seen; 1 if flat."""
    if dtype == np.uint8:
        return 255.0
    return high - low if high > low else 1.0
