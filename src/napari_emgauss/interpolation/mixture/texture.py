"""How alike a stack is at any distance along z, also at distances at which there is no section.

Covariances are measured within sections, and between sections one, two and three gaps apart. One texture is fitted to
both: a sum of Gaussian blobs of many sizes, alike in all directions but for a stretch along z, seen in sections of some
thickness, with noise. Stretch and thickness cannot be told for certain, so that every guess that fits is kept, with its
probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from napari_emgauss._types import FloatArray
from napari_emgauss.interpolation.mixture.fusion import Stack
from napari_emgauss.interpolation.plain import blurred

Array = npt.NDArray[np.float64]

BLOBS_PX = 0.7 * 1.5 ** np.arange(13)
NOISE_PX = np.array([0.3, 0.6, 1.0])
"""Sizes σ of blobs, and of noise: r px apart within a section, their covariance falls as exp(-r²/2σ²)."""
SIZES_PX = np.concatenate([BLOBS_PX, NOISE_PX])
STRETCHES = 2.0 ** np.concatenate([np.arange(-5, -1), np.arange(-6, 11) / 6])
"""How much farther apart sections look than pixels that are as far apart."""
THICKNESSES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
"""Thickness of sections in gaps: at 1, each goes on until the next one begins."""
_STRETCH_SCALE, _STRETCH_DEGREES = 0.3, 3
"""Prior of the logarithm of the stretch: Student's t."""
_THIN, _NOISE_AVERAGED = 0.5, 0.8
"""Prior probability of thin sections; and of noise that was averaged over the thickness of thick ones, as tissue is."""
WITHIN, BETWEEN, FINE = 0.03, 0.04, 0.03
"""Relative errors that a fit may have: within sections, between them, and of what is finer than 1 px between them."""
_ABSOLUTE = 5e-4
_BLURS_PX, _FINE_PX = (0.0, 1.0, 2.0, 4.0, 8.0), 1.0
_LAGS = 3
_SIDE_PX, _SECTIONS = 256, 16
"""Part of a stack that is looked at."""
_NEGLIGIBLE, _ROUNDING = 5e-3, 1e-10


@dataclass(frozen=True, eq=False, kw_only=True)
class Guess:
    """A texture that may be that of the stack."""

    probability: float
    stretch: float
    thickness_px: float
    averages_noise: bool
    variances: Array
    """Of blobs and noise of all `SIZES_PX`."""

    def covariances(self, distances_px: npt.ArrayLike) -> Array:
        """Return the covariance (..., sizes) of pixels at the same place of two sections, at distances (...)."""
        alike = _alike(distances_px, self.stretch, self.thickness_px, averages_noise=self.averages_noise)
        return np.asarray(self.variances * alike, np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Texture:
    """What sections tell of the covariances of a stack."""

    guesses: tuple[Guess, ...]
    """Their probabilities sum to 1."""
    misfit: float
    """Mean squared error of the best guess, where the errors that it may have count as 1."""
    factor: float

    @property
    def probability_thick(self) -> float:
        """Probability that sections are so thick that neighbours touch or overlap."""
        return sum(guess.probability for guess in self.guesses if guess.thickness_px >= self.factor)


class _Measured(NamedTuple):
    """Covariances that a texture must have: ``constant + along · alike(lag)``, summed over the variances."""

    values: Array
    tolerances: Array
    lags: npt.NDArray[np.int64]
    """Distance in gaps; 0 within a section."""
    constant: Array
    along: Array


def fit_texture(stacks: Sequence[Stack]) -> Texture | None:
    """Return the texture of stacks of one volume; None where no two sections are neighbours, or all is constant."""
    factor = stacks[0].factor
    measured = [found for found in map(_measure, stacks) if found is not None]
    if not measured or any(not np.array_equal(found.lags, measured[0].lags) for found in measured):
        return None
    values, tolerances = (np.mean([getattr(m, name) for m in measured], 0) for name in ("values", "tolerances"))
    whole = measured[0]._replace(values=values, tolerances=tolerances)
    found = []
    for stretch, thickness in product(STRETCHES, THICKNESSES):
        for averages_noise in (False, True) if thickness else (False,):
            alike = _alike(factor * np.arange(_LAGS + 1), stretch, thickness * factor, averages_noise=averages_noise)
            design = whole.constant + whole.along * alike[whole.lags]
            variances, deviation = nnls(design / tolerances[:, None], values / tolerances)
            belief = _log_prior(stretch, thickness, averages_noise=averages_noise) - deviation**2 / 2
            guess = Guess(
                probability=belief,
                stretch=float(stretch),
                thickness_px=thickness * factor,
                averages_noise=averages_noise,
                variances=variances,
            )
            found.append((guess, deviation**2 / len(values)))
    most = max(guess.probability for guess, _ in found)
    likely = [replace(guess, probability=math.exp(guess.probability - most)) for guess, _ in found]
    likely = [guess for guess in likely if guess.probability > _NEGLIGIBLE]
    total = sum(guess.probability for guess in likely)
    guesses = tuple(replace(guess, probability=guess.probability / total) for guess in likely)
    return Texture(guesses=guesses, misfit=min(misfit for _, misfit in found), factor=factor)


def blur_factors(sigma_px: float) -> Array:
    """Return how much of the covariances (sizes,) is left if one of two images is blurred."""
    if sigma_px == 0:
        return np.ones(len(SIZES_PX))
    reach = int(4 * sigma_px + 0.5)
    kernel, offsets = cv2.getGaussianKernel(2 * reach + 1, sigma_px), np.arange(-reach, reach + 1)[:, None]
    return np.asarray((kernel * np.exp(-(offsets**2) / (2 * SIZES_PX**2))).sum(0) ** 2, np.float64)


def _alike(distances_px: npt.ArrayLike, stretch: float, thickness_px: float, *, averages_noise: bool) -> Array:
    """Return the correlation (..., sizes) between sections at distances, of blobs and noise of each size.

    A section is the mean of what lies within its thickness, so that the correlation is that of all pairs of depths.
    """
    distances = np.abs(np.asarray(distances_px, np.float64))[..., None]
    n = max(1, round(2 * thickness_px))
    offsets = np.arange(1 - n, n)
    pairs = (n - np.abs(offsets))[:, None]

    def over_pairs(apart: Array) -> Array:
        depth = stretch * (apart[..., None, :] + offsets[:, None] / 2)
        return np.asarray((pairs * np.exp(-(depth**2) / (2 * BLOBS_PX**2))).sum(-2), np.float64)

    blobs = over_pairs(distances) / over_pairs(np.zeros(1))
    overlap = np.maximum(0, 1 - distances / thickness_px) if averages_noise else np.where(distances == 0, 1.0, 0.0)
    return np.concatenate([blobs, np.repeat(overlap, len(NOISE_PX), -1)], -1)


def _log_prior(stretch: float, thickness: float, *, averages_noise: bool) -> float:
    usual = (math.log(stretch) / _STRETCH_SCALE) ** 2 / _STRETCH_DEGREES
    belief = -(_STRETCH_DEGREES + 1) / 2 * math.log1p(usual)
    if not thickness:
        return belief + math.log(_THIN)
    noise = _NOISE_AVERAGED if averages_noise else 1 - _NOISE_AVERAGED
    return belief + math.log((1 - _THIN) * noise / (len(THICKNESSES) - 1))


def _measure(stack: Stack) -> _Measured | None:
    """Measure covariances of a part of a stack, without what varies over much more than a gap."""
    n, *sides = stack.sections.shape
    first, (y, x) = max(0, (n - _SECTIONS) // 2), (max(0, (side - _SIDE_PX) // 2) for side in sides)
    part = np.asarray(stack.sections[first : first + _SECTIONS, y : y + _SIDE_PX, x : x + _SIDE_PX], np.float32)
    z = np.arange(n, dtype=np.float64) if stack.z is None else np.asarray(stack.z, np.float64)
    z, coarse_px = z[first : first + _SECTIONS], min(2 * stack.factor, min(part.shape[1:]) / 6)
    pairs = {lag: _pairs(z, lag) for lag in range(1, _LAGS + 1)}
    pairs = {lag: found for lag, found in pairs.items() if len(found)}
    if 1 not in pairs:
        return None
    images = np.stack([section - blurred(section, coarse_px) for section in part])
    smooth = {sigma: np.stack([blurred(i, sigma) for i in images]) if sigma else images for sigma in _BLURS_PX}
    rows: list[tuple[float, float, int, Array, Array]] = []
    variance, nothing = float(np.mean(images**2)), np.zeros(len(SIZES_PX))
    if variance <= _ROUNDING * float(np.mean(part**2)):
        return None
    for r in np.unique(np.geomspace(1, max(2, min(2 * stack.factor, min(part.shape[1:]) / 3)), 12).round().astype(int)):
        value = (_half_square(images[:, r:] - images[:, :-r]) + _half_square(images[..., r:] - images[..., :-r])) / 2
        base = _left(coarse_px) - _left(coarse_px, r=float(r))
        rows.append((value, WITHIN * value, 0, base, nothing))
    for lag, (low, high) in pairs.items():
        for sigma in _BLURS_PX:
            value = _mean_product(smooth[sigma][low] - smooth[sigma][high], images[low] - images[high]) / 2
            base = _left(coarse_px, blur_px=sigma)
            rows.append((value, BETWEEN * math.sqrt(lag) * abs(value), lag, base, -base))
        fine = images - smooth[_FINE_PX]
        value = (_mean_product(fine[low], images[high]) + _mean_product(fine[high], images[low])) / 2
        base = _left(coarse_px) - _left(coarse_px, blur_px=_FINE_PX)
        rows.append((value, FINE * _mean_product(fine, images), lag, nothing, base))
    values, tolerances, lags, constant, along = (np.array(column) for column in zip(*rows, strict=True))
    return _Measured(values, tolerances + _ABSOLUTE * variance, lags, constant, along)


def _pairs(z: npt.NDArray[np.floating], lag: int) -> npt.NDArray[np.int64]:
    """Return which sections (2, pairs) are exactly ``lag`` gaps apart."""
    low, high = np.nonzero(np.isclose(z[None, :] - z[:, None], lag))
    return np.stack([low, high]) if len(low) else np.empty(0, np.int64)


def _left(coarse_px: float, *, r: float = 0.0, blur_px: float = 0.0) -> Array:
    """Return what is left of the variances (sizes,) between images r px apart, of which one is blurred.

    Both are without what a blur by ``coarse_px`` leaves. A blur of variance v turns a Gaussian blob's exp(-r²/2σ²) into
    σ²/(σ²+v) exp(-r²/2(σ²+v)).
    """

    def blob(v: float) -> Array:
        total = SIZES_PX**2 + v
        return np.asarray(SIZES_PX**2 / total * np.exp(-(r**2) / (2 * total)), np.float64)

    coarse = coarse_px**2
    own = blur_factors(blur_px) * np.exp(-(r**2) / (2 * SIZES_PX**2)) if r == 0 else blob(blur_px**2)
    return own - 2 * blob(blur_px**2 + coarse) + blob(blur_px**2 + 2 * coarse)


def _mean_product(a: FloatArray, b: FloatArray) -> float:
    return float(np.mean(a * b, dtype=np.float64))


def _half_square(a: FloatArray) -> float:
    return _mean_product(a, a) / 2
