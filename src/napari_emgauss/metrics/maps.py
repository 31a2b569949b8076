"""Resolution of density maps: masks, correlation corrected for them, along directions, and from place to place.

Chen et al. 2013 (doi:10.1016/j.ultramic.2013.06.004) for the correction; Cardone, Heymann & Steven 2013
(doi:10.1016/j.jsb.2013.08.002) for the local resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_emgauss._types import FloatArray
from napari_emgauss.metrics.fourier import FourierCorrelation, fourier_shell_correlation

Numbers = npt.NDArray[np.float64]
RANDOM_FROM = 0.8
"""Phases are random from where the unmasked correlation falls below this."""


def radii(side_px: int) -> FloatArray:
    """Return the distance (n, n, n) of every voxel from voxel n // 2, in voxels."""
    axis = np.arange(side_px) - side_px // 2
    return np.asarray(np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2), np.float32)


def soft_sphere(side_px: int, radius_px: float, edge_px: float = 3.0) -> FloatArray:
    """Return a mask (n, n, n) that is 1 within the radius and falls to 0 over ``edge_px`` by a cosine."""
    part = np.clip((radii(side_px) - radius_px) / edge_px, 0, 1)
    return np.asarray(0.5 * (1 + np.cos(np.pi * part)), np.float32)


def soft_mask(density: FloatArray, *, blur_px: float = 2.0, extend_px: float = 3.0, edge_px: float = 4.0) -> FloatArray:
    """Return a soft mask (n, n, n) around where a map's blurred magnitude stands out from its surroundings.

    The threshold is Otsu's; what is smaller than a tenth of the largest piece is left out.
    """
    blurred = ndimage.gaussian_filter(np.abs(density), blur_px)
    inside = blurred > _otsu(blurred)
    labels, n = ndimage.label(inside)
    if n > 1:
        sizes = ndimage.sum_labels(inside, labels, np.arange(1, n + 1))
        inside = np.isin(labels, 1 + np.flatnonzero(sizes >= 0.1 * sizes.max()))
    distance = ndimage.distance_transform_edt(~inside)
    part = np.clip((distance - extend_px) / edge_px, 0, 1)
    return np.asarray(0.5 * (1 + np.cos(np.pi * part)), np.float32)


def contour_level(density: FloatArray) -> float:
    """Return the density that a surface around the molecule is drawn at: Otsu's threshold of what is positive."""
    return _otsu(np.maximum(density, 0))


def _otsu(values: FloatArray) -> float:
    low, high = float(values.min()), float(values.max())
    if low == high:
        return float(np.nextafter(low, -np.inf))  # nothing stands out, or all of it
    # Of values that hardly differ no 256 bins could be told apart.
    counts, edges = np.histogram((values.astype(np.float64) - low) / (high - low), 256, (0, 1))
    middles = low + (high - low) * 0.5 * (edges[1:] + edges[:-1])
    below, above = np.cumsum(counts), counts.sum() - np.cumsum(counts)
    sums = np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(middles[int(np.nanargmax(between))])


def with_random_phases(density: FloatArray, from_shell: int, rng: np.random.Generator) -> FloatArray:
    """Return a map whose coefficients from a shell on have phases of noise and their own amplitudes."""
    n = density.shape[0]
    spectrum = fft.rfftn(density)
    noise = fft.rfftn(rng.standard_normal(density.shape))
    high = half_shells(n) >= from_shell
    spectrum[high] = (np.abs(spectrum) * noise / np.maximum(np.abs(noise), 1e-30))[high]
    return np.asarray(fft.irfftn(spectrum, s=density.shape), np.float32)


def half_shells(side_px: int) -> Numbers:
    """Return the radius of every coefficient of ``rfftn``, in cycles per box."""
    axis = fft.fftfreq(side_px, 1 / side_px)
    x = np.arange(side_px // 2 + 1)
    return np.asarray(np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + x**2))


@dataclass(frozen=True, eq=False)
class MaskedCorrelation:
    """Fourier shell correlation of two maps, without and with a mask."""

    unmasked: FourierCorrelation
    masked: FourierCorrelation
    """As it comes: a mask that both share makes them agree."""
    corrected: FourierCorrelation
    """(masked - random) / (1 - random), random being that of the maps with random phases."""
    random_from: int
    """Shell from which phases were random."""


def masked_correlation(
    first: FloatArray, second: FloatArray, mask: FloatArray, rng: np.random.Generator
) -> MaskedCorrelation:
    """Return the correlation of two maps (n, n, n) with what the mask adds to it taken off."""
    unmasked = fourier_shell_correlation(first, second)
    masked = fourier_shell_correlation(first * mask, second * mask)
    below = np.flatnonzero(unmasked.correlation[1:] < RANDOM_FROM)
    start = 1 + int(below[0]) if below.size else len(unmasked.correlation)
    scrambled = [with_random_phases(density, start, rng) * mask for density in (first, second)]
    random = fourier_shell_correlation(*scrambled).correlation
    values = masked.correlation.copy()
    # Two shells further on, since the mask mixes neighbouring ones.
    high = np.arange(len(values)) >= start + 2
    values[high] = np.where(random[high] < 1, (values[high] - random[high]) / np.maximum(1 - random[high], 1e-6), 0)
    corrected = FourierCorrelation(masked.frequency, values, masked.n_coefficients)
    return MaskedCorrelation(unmasked, masked, corrected, start)


def directional_correlation(
    first: FloatArray, second: FloatArray, directions: Sequence[tuple[float, float, float]], *, cone_deg: float = 20.0
) -> list[FourierCorrelation]:
    """Return the shell correlation within a double cone around each direction (z, y, x)."""
    n = first.shape[0]
    a, b = fft.rfftn(first), fft.rfftn(second)
    axis, half = np.asarray(fft.fftfreq(n, 1 / n), np.float32), np.arange(n // 2 + 1, dtype=np.float32)
    z, y, x = axis[:, None, None], axis[:, None], half
    radius = np.sqrt(z**2 + y**2 + x**2)
    shell = np.rint(radius).astype(np.int32)
    # A double cone is its own mirror image: half of the coefficients stand for two each.
    pairs = np.broadcast_to(np.where((half > 0) & (half < n / 2), np.float32(2), np.float32(1)), a.shape)
    terms = (a * b.conj()).real * pairs, np.abs(a) ** 2 * pairs, np.abs(b) ** 2 * pairs, pairs
    found = []
    for direction in directions:
        dz, dy, dx = np.asarray(direction, np.float32) / np.float32(np.linalg.norm(direction))
        inside = (np.abs(z * dz + y * dy + x * dx) >= np.cos(np.deg2rad(cone_deg)) * radius) & (shell <= n // 2)
        sums = [np.bincount(shell[inside], term[inside], n // 2 + 1) for term in terms]
        norm = np.sqrt(sums[1] * sums[2])
        values = np.divide(sums[0], norm, out=np.zeros_like(norm), where=norm > 0)
        found.append(FourierCorrelation(np.arange(n // 2 + 1) / n, values, np.rint(sums[3]).astype(np.int64)))
    return found


def local_resolution(
    first: FloatArray,
    second: FloatArray,
    pixel_size_angstrom: float,
    *,
    threshold: float = 0.5,
    window_px: float | None = None,
) -> FloatArray:
    """Return the resolution in Å around every voxel (n, n, n), where the local correlation falls below a threshold.

    The correlation is that of one-octave bands, weighted by a Gaussian window of standard deviation ``window_px``, by
    default a twelfth of the side. Voxels that agree in every band have the pixel's double, those that agree in none
    the side of the box.
    """
    n = first.shape[0]
    window = n / 12 if window_px is None else window_px
    shells, a, b = half_shells(n), fft.rfftn(first), fft.rfftn(second)
    result = np.full(first.shape, n * pixel_size_angstrom, np.float32)
    agreeing = np.ones(first.shape, bool)
    centres = np.geomspace(max(2.0, n / 32), n / 2, 12)
    for centre in centres:
        band = np.exp(-0.5 * (np.log(np.maximum(shells, 1e-3) / centre) / 0.2) ** 2)
        p, q = (fft.irfftn(own * band, s=first.shape) for own in (a, b))
        cross, pp, qq = (ndimage.gaussian_filter(v, window) for v in (p * q, p * p, q * q))
        agreeing &= cross > threshold * np.sqrt(pp * qq)
        result[agreeing] = n * pixel_size_angstrom / centre
    return np.maximum(result, np.float32(2 * pixel_size_angstrom))
