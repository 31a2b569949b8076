"""Back-projection of particles: the sums over images that a map's likelihood depends on.

With fixed views the squared difference between images and projections of a map V, summed over all images and
frequencies with weights, is ⟨V, K ∗ V⟩ - 2 ⟨V, b⟩ + c: K, b and c replace the images, however many they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import fft

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.gridding import (
    COLUMNS,
    EXACT,
    LINEAR,
    ComplexArray,
    SpreadingKernel,
    spread,
    to_real_space,
)
from napari_emgauss.forward.ctf import ctf, frequencies
from napari_emgauss.particles import Particles

BATCH = 64
"""Images read at a time."""


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Fourier coefficients of a batch of images, with what the microscope did to them.

    Only frequencies up to ``highest`` cycles per box are kept, and of each and its negative only one; they number f.
    """

    indices: npt.NDArray[np.int64]
    """Particles (k,)."""
    xy: npt.NDArray[np.int64]
    """Frequencies (f, 2) as (x, y) in cycles per box."""
    values: ComplexArray
    """Coefficients (k, f) about the centre of the particle, after its shift."""
    transfer: FloatArray
    """CTF (k, f)."""


def kept_frequencies(box_px: int, highest: float | None = None) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Return which coefficients (box, box // 2 + 1) of ``rfft2`` are kept, and their (x, y) in cycles per box.

    Kept are those within ``highest``, by default one below Nyquist, without 0 and without conjugates of others.
    """
    y, x = np.fft.fftfreq(box_px, 1 / box_px).round().astype(int), np.arange(box_px // 2 + 1)
    radius = np.hypot(y[:, None], x)
    kept = (radius <= (box_px // 2 - 1 if highest is None else highest)) & (radius > 0)
    kept[:, 0] &= y > 0
    rows, columns = np.nonzero(kept)
    return kept, np.stack([columns, y[rows]], 1)


def centred_spectrum(images: FloatArray) -> ComplexArray:
    """Return ``rfft2`` (k, box, box // 2 + 1) of images about their pixel box // 2."""
    shifted = fft.ifftshift(images, axes=(-2, -1))
    return np.asarray(fft.rfft2(shifted), np.complex64)


def coefficients(particles: Particles, indices: Sequence[int], *, highest: float | None = None) -> Coefficients:
    """Read a batch and return its coefficients up to ``highest`` cycles per box, shifted to the centre."""
    chosen = np.asarray(indices, np.int64)
    box = particles.box_px
    kept, xy = kept_frequencies(box, highest)
    spectrum = centred_spectrum(particles.read(indices))[:, kept]
    phase = np.exp(-2j * np.pi * (particles.shifts_px[chosen] @ xy.T) / box)
    found = transfer(particles, chosen, highest=highest)
    return Coefficients(chosen, xy, np.asarray(spectrum * phase, np.complex64), found)


def transfer(
    particles: Particles,
    indices: npt.NDArray[np.int64],
    *,
    defocus_change_angstrom: npt.NDArray[np.float64] | None = None,
    highest: float | None = None,
) -> FloatArray:
    """Return the CTF (k, f) of particles at the kept frequencies; 1 where they have none.

    ``defocus_change_angstrom`` (k,) is added to both defoci.
    """
    kept, xy = kept_frequencies(particles.box_px, highest)
    if particles.ctf is None:
        return np.ones((len(indices), len(xy)), np.float32)
    at = frequencies(particles.box_px, particles.box_pixel_size_angstrom)[:, torch.from_numpy(kept)]
    change = None if defocus_change_angstrom is None else torch.from_numpy(defocus_change_angstrom)
    found = ctf(particles.ctf[indices], at, defocus_change_angstrom=change, phase_flipped=particles.phase_flipped)
    return found.float().numpy()


def batches(indices: Sequence[int], size: int = BATCH) -> Iterator[Sequence[int]]:
    """Cut indices into batches."""
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


class LikelihoodSums:
    """Weighted sums over images, inserted into 3D Fourier space, that a map's likelihood depends on.

    Parameters
    ----------
    box_px
        Side of the images and of the map.
    operators
        Rotation matrices (g, 3, 3) of the symmetry; every image is inserted once for each, with a g-th of its weight.
    """

    def __init__(self, box_px: int, operators: npt.NDArray[np.float64] | None = None) -> None:
        self.box_px, self.operators = box_px, _operators(operators)
        self.n_images = 0
        self.power = 0.0
        """Σ w |y|² of all coefficients, both of each conjugate pair."""
        self._values = np.zeros((2 * box_px, 2 * box_px, box_px + 1), np.complex64)
        wide = 3 * box_px
        self._weights = np.zeros((wide, wide, wide // 2 + 1), np.float32)

    def add(self, images: Coefficients, rotations: npt.NDArray[np.float64], weights: FloatArray) -> None:
        """Add a batch with its ``rotations`` (k, 3, 3) and weights (k, f), one over the variance of a coefficient."""
        self.power += 2 * float((weights * np.abs(images.values) ** 2).sum(dtype=np.float64))
        for points, y, w in _insertions(images, rotations, weights, self.operators):
            spread(2 * points, y, EXACT.table, EXACT.reach, self._values)
            spread(3 * points, w, EXACT.table, EXACT.reach, self._weights)
        self.n_images += len(images.values)

    def equations(self) -> NormalEquations:
        """Return what the likelihood of a map depends on."""
        b = to_real_space(self._values, EXACT, self.box_px)
        spectrum = kernel_spectrum(to_real_space(self._weights, EXACT, 2 * self.box_px))
        return NormalEquations(b, spectrum, self.power, self.n_images)


class PlainSums:
    """Weighted sums over images on the grid of a plain back-projection; see `LikelihoodSums`."""

    def __init__(self, box_px: int, operators: npt.NDArray[np.float64] | None = None) -> None:
        self.operators = _operators(operators)
        shape = 2 * box_px, 2 * box_px, box_px + 1
        self.sums = FourierSums(np.zeros(shape, np.complex64), np.zeros(shape, np.float32), LINEAR)

    def add(self, images: Coefficients, rotations: npt.NDArray[np.float64], weights: FloatArray) -> None:
        """Add a batch."""
        for points, y, w in _insertions(images, rotations, weights, self.operators):
            spread(2 * points, y, LINEAR.table, LINEAR.reach, self.sums.values)
            spread(2 * points, w, LINEAR.table, LINEAR.reach, self.sums.weights)


def _operators(operators: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
    return np.eye(3)[None] if operators is None else operators


def _insertions(
    images: Coefficients,
    rotations: npt.NDArray[np.float64],
    weights: FloatArray,
    operators: npt.NDArray[np.float64],
) -> Iterator[tuple[npt.NDArray[np.float64], ComplexArray, FloatArray]]:
    """Frequencies (f, 3), z y x in cycles per box, with w c y and w c² of every image under every operator."""
    xy = images.xy.astype(np.float64)
    for value, transfer_, rotation, weight in zip(images.values, images.transfer, rotations, weights, strict=True):
        y = np.asarray(weight * transfer_ * value / len(operators), np.complex64)
        w = np.asarray(weight * transfer_**2 / len(operators), np.float32)
        for operator in operators:
            # Row vectors: k in the map's frame is (R S)ᵀ (kx, ky, 0).
            yield (xy @ (rotation @ operator)[:2])[:, ::-1], y, w


def kernel_spectrum(kernel: FloatArray) -> FloatArray:
    """Return the spectrum of a symmetric kernel (2n, 2n, 2n) in the layout of ``rfftn``; it is real."""
    return np.ascontiguousarray(fft.rfftn(fft.ifftshift(kernel)).real.astype(np.float32))


@dataclass(frozen=True, eq=False)
class FourierSums:
    """Σ w c y and Σ w c² on a half grid of twice the box."""

    values: ComplexArray
    weights: FloatArray
    kernel: SpreadingKernel

    def __add__(self, other: FourierSums) -> FourierSums:
        return FourierSums(self.values + other.values, self.weights + other.weights, self.kernel)


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """⟨V, K ∗ V⟩ - 2 ⟨V, b⟩ + c: the weighted squared difference of a map V from all images.

    Parameters
    ----------
    b
        Back-projection (n, n, n).
    spectrum
        Of K, (2n, 2n, n + 1).
    power
        c.
    n_images
        Number of images.
    """

    b: FloatArray
    spectrum: FloatArray
    power: float
    n_images: int

    def __add__(self, other: NormalEquations) -> NormalEquations:
        return NormalEquations(
            self.b + other.b, self.spectrum + other.spectrum, self.power + other.power, self.n_images + other.n_images
        )

    def apply(self, volume: FloatArray) -> FloatArray:
        """Return K ∗ V, axis after axis of which only what is not 0, or is wanted, is transformed."""
        n = volume.shape[0]
        rows = fft.rfft(volume, 2 * n, axis=2, workers=1)
        for start in range(0, n + 1, COLUMNS):
            columns = slice(start, start + COLUMNS)
            part = fft.fft(rows[:, :, columns], 2 * n, axis=1, workers=1)
            part = fft.fft(part, 2 * n, axis=0, workers=1)
            part *= self.spectrum[:, :, columns]
            part = fft.ifft(part, axis=0, overwrite_x=True, workers=1)[:n]
            rows[:, :, columns] = fft.ifft(part, axis=1, workers=1)[:, :n]
        return np.asarray(fft.irfft(rows, 2 * n, axis=2, workers=1)[:, :, :n], np.float32)

    def loss(self, volume: FloatArray, applied: FloatArray | None = None) -> float:
        """Return the weighted squared difference, per image."""
        applied = self.apply(volume) if applied is None else applied
        own = np.vdot(volume.astype(np.float64), applied - 2 * self.b.astype(np.float64))
        return (float(own) + self.power) / self.n_images
