"""FSIM: similarity of phase congruency and of gradient magnitude.

Zhang, Zhang, Mou, Zhang: FSIM: a feature similarity index for image quality assessment. IEEE Transactions on Image
Processing 20(8), 2011 (doi:10.1109/TIP.2011.2109730); phase congruency after Kovesi: Image features from phase
congruency. Videre 1(3), 1999. Written from their equations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_emgauss._types import FloatArray
from napari_emgauss.metrics.checks import check_data_range, check_pair

N_SCALES = 4
N_ORIENTATIONS = 4
MIN_WAVELENGTH_PX = 6.0
WAVELENGTH_RATIO = 2.0
LOG_BANDWIDTH = 0.55
ANGULAR_SIGMA_RAD = math.pi / N_ORIENTATIONS / 1.2
CUTOFF_CYCLES_PER_PX = 0.45
CUTOFF_ORDER = 15
NOISE_SIGMAS = 2.0
NOISE_OVERESTIMATE = 1.7  # Kovesi's empirical correction of the noise threshold for this measure
T_PHASE = 0.85
T_GRADIENT = 160.0  # for intensities in 0..255, as is the noise floor below
WORKING_SIDE_PX = 256
EPS = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, eq=False)
class FilterBank:
    """One-sided log-Gabor filters in FFT order, (orientation, scale, Y, X), and their noise gain per orientation."""

    transfer: FloatArray
    smallest_scale_power: FloatArray
    noise_gain: FloatArray


def fsim(a: npt.ArrayLike, b: npt.ArrayLike, *, data_range: float = 1.0) -> float:
    """Return the feature similarity of two grey-level sections; 1 for identical ones.

    As in the authors' program the images are first averaged over blocks of max(1, round(min(Y, X) / 256)) px.

    Parameters
    ----------
    a, b
        Images (Y, X) of equal shape.
    data_range
        Largest possible difference of two intensities.

    Raises
    ------
    VolumeError
        Shapes differ or are not 2D, or values are NaN or infinite.
    ConfigError
        ``data_range`` is not positive.
    """
    first, second = check_pair(a, b, n_axes=2, min_size_px=2)
    scale = 255.0 / check_data_range(data_range)
    first, second = _reduced(first) * np.float32(scale), _reduced(second) * np.float32(scale)
    phase_a, phase_b = phase_congruency(first), phase_congruency(second)
    similarity = _similarity(phase_a, phase_b, T_PHASE)
    similarity *= _similarity(gradient_magnitude(first), gradient_magnitude(second), T_GRADIENT)
    weight = np.maximum(phase_a, phase_b)
    return float(np.sum(similarity * weight, dtype=np.float64) / np.sum(weight, dtype=np.float64))


def phase_congruency(image: FloatArray) -> FloatArray:
    """Return Kovesi's phase congruency (Y, X) of an image whose intensities span 0..255: 0 (no feature) to 1."""
    bank = filter_bank(image.shape[0], image.shape[1])
    spectrum = fft.fft2(image)
    energy, amplitude = np.zeros_like(image), np.zeros_like(image)
    for filters, power, gain in zip(bank.transfer, bank.smallest_scale_power, bank.noise_gain, strict=True):
        responses = fft.ifft2(spectrum * filters)
        amplitudes = np.abs(responses)
        amplitude += amplitudes.sum(axis=0)
        total = responses.sum(axis=0)
        strength = np.abs(total)
        # Projections on the mean phase direction add up to |total|; what points across it counts against congruency.
        across = np.abs((responses * (total / (strength + EPS)).conj()).imag).sum(axis=0)
        threshold = _noise_threshold(amplitudes[0], float(power), float(gain))
        energy += np.maximum(strength - across - threshold, 0)
    return np.asarray((energy + EPS) / (amplitude + EPS), np.float32)


def gradient_magnitude(image: FloatArray) -> FloatArray:
    """Return the length of the Scharr gradient (Y, X), zero outside the image."""
    smooth, slope = np.array([3, 10, 3]) / 16, np.array([-1, 0, 1])
    parts = [
        ndimage.correlate1d(
            ndimage.correlate1d(image, slope, axis=axis, mode="constant"), smooth, axis=1 - axis, mode="constant"
        )
        for axis in (0, 1)
    ]
    return np.asarray(np.hypot(*parts), np.float32)


@lru_cache(maxsize=4)
def filter_bank(height_px: int, width_px: int) -> FilterBank:
    """Return log-Gabor filters for images of one size (scales 6, 12, 24 and 48 px; 0, 45, 90 and 135°)."""
    fy, fx = np.meshgrid(_centred_frequencies(height_px), _centred_frequencies(width_px), indexing="ij")
    radius = np.hypot(fy, fx)
    low_pass = 1 / (1 + (radius / CUTOFF_CYCLES_PER_PX) ** (2 * CUTOFF_ORDER))
    direction = np.exp(1j * np.arctan2(-fy, fx))
    centre = radius == 0
    log_radius = np.log(np.where(centre, 1.0, radius))
    transfer = np.empty((N_ORIENTATIONS, N_SCALES, height_px, width_px), np.float32)
    for scale in range(N_SCALES):
        log_centre = -math.log(MIN_WAVELENGTH_PX * WAVELENGTH_RATIO**scale)
        radial = np.exp(-((log_radius - log_centre) ** 2) / (2 * math.log(LOG_BANDWIDTH) ** 2)) * low_pass
        radial[centre] = 0
        for orientation in range(N_ORIENTATIONS):
            away_rad = np.angle(direction * np.exp(-1j * math.pi * orientation / N_ORIENTATIONS))
            angular = np.exp(-(away_rad**2) / (2 * ANGULAR_SIGMA_RAD**2))
            transfer[orientation, scale] = fft.ifftshift(radial * angular)
    # White noise of unit power leaves Σ_x (Σ_scales g)² per orientation, g: the filters' even parts in space.
    even = fft.ifft2(transfer.sum(axis=1)).real
    gain = np.sum(np.square(even), axis=(1, 2)) * (height_px * width_px)
    smallest = np.sum(np.square(transfer[:, 0]), axis=(1, 2))
    return FilterBank(transfer, np.asarray(smallest, np.float32), np.asarray(gain, np.float32))


def _centred_frequencies(size_px: int) -> npt.NDArray[np.float64]:
    # Odd sizes reach ±0.5 exactly, as in Kovesi's and the FSIM authors' programs.
    return (np.arange(size_px) - size_px // 2) / max(size_px - size_px % 2, 1)


def _noise_threshold(smallest_amplitude: FloatArray, smallest_power: float, gain: float) -> float:
    """Return the energy that noise alone would leave: Rayleigh statistics of the finest scale's median energy."""
    energies = np.square(smallest_amplitude).ravel()
    middle = (energies.size - 1) // 2
    median = float(np.partition(energies, middle)[middle])
    rayleigh = math.sqrt(median / math.log(2) / smallest_power * gain)
    return rayleigh * (math.sqrt(math.pi / 2) + NOISE_SIGMAS * math.sqrt(2 - math.pi / 2)) / NOISE_OVERESTIMATE


def _reduced(image: FloatArray) -> FloatArray:
    block = max(1, round(min(image.shape) / WORKING_SIDE_PX))
    if block == 1:
        return image
    height, width = image.shape[0] // block, image.shape[1] // block
    blocks = image[: height * block, : width * block].reshape(height, block, width, block)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def _similarity(a: FloatArray, b: FloatArray, constant: float) -> FloatArray:
    return np.asarray((2 * a * b + np.float32(constant)) / (a * a + b * b + np.float32(constant)), np.float32)
