"""Averages of particles that are seen from nearly the same direction, with the CTF taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import fft, ndimage

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.sums import centred_spectrum
from napari_emgauss.forward.ctf import ctf, frequencies
from napari_emgauss.particles import Particles

Numbers = npt.NDArray[np.float64]
SHARE, FEWEST, MOST = 0.05, 8, 60
"""Neighbours of a particle: this share of all, within these limits."""


@dataclass(frozen=True, eq=False)
class ViewAverage:
    """Average of a particle and its neighbours in direction."""

    image: FloatArray
    """Pixels (box, box), turned and centred as the particle."""
    n_particles: int
    within_deg: float
    """Largest angle between the directions."""


def view_average(particles: Particles, index: int) -> ViewAverage:
    """Return the average of the particles whose directions are closest to that of one.

    Each is turned in its plane and centred as that one is. Sums are divided as Wiener's filter does, by the ratio of
    noise to signal that the images' agreement gives per ring.
    """
    directions = particles.rotations[:, 2]
    cosines = directions @ directions[index]
    n = min(int(np.clip(SHARE * len(particles), FEWEST, MOST)), len(particles))
    nearest = np.argsort(-cosines, kind="stable")[:n]
    turns = [_turn_in_plane(particles.rotations[index], particles.rotations[j]) for j in nearest]
    image = _wiener_average(particles, nearest.tolist(), turns)
    angle = np.rad2deg(np.arccos(np.clip(cosines[nearest].min(), -1, 1)))
    return ViewAverage(image, n, float(angle))


def _turn_in_plane(to: Numbers, of: Numbers) -> Numbers:
    """Rotation (2, 2) of x, y that turns an image of one pose into the plane of another, as well as one can."""
    relative = (to @ of.T)[:2, :2]
    angle = np.arctan2(relative[1, 0] - relative[0, 1], relative[0, 0] + relative[1, 1])
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _wiener_average(particles: Particles, indices: Sequence[int], turns: Sequence[Numbers]) -> FloatArray:
    box = particles.box_px
    at = frequencies(box, particles.box_pixel_size_angstrom)
    x, y = fft.rfftfreq(box), fft.fftfreq(box)[:, None]
    shifts = particles.shifts_px[list(indices)]
    spectra = centred_spectrum(particles.read(indices))
    spectra = spectra * np.exp(-2j * np.pi * (shifts[:, 0, None, None] * x + shifts[:, 1, None, None] * y))
    total, weight = np.zeros((box, box)), np.zeros((box, box // 2 + 1))
    fourth, squares = np.zeros_like(weight), np.zeros_like(weight)
    for j, turn, spectrum in zip(indices, turns, spectra, strict=True):
        transfer = _transfer(particles, j, at)
        image = fft.fftshift(fft.irfft2(spectrum * transfer, s=(box, box)))
        total += _turned(image, turn)
        turned = _transfer(particles, j, torch.einsum("ij,jyx->iyx", torch.from_numpy(turn.T.copy()), at))
        weight += turned**2
        fourth += turned**4
        squares += np.abs(spectrum * transfer) ** 2
    spectrum = fft.rfft2(fft.ifftshift(total))
    ring = np.rint(box * np.hypot(x, y)).astype(np.intp)
    # Per ring: |Σ c y|² = (Σ c²)² S + Σ c² N, and Σ |c y|² = Σ c⁴ S + Σ c² N, with the powers S of signal, N of noise.
    s_s, s_n = _ring_means(weight**2, ring), _ring_means(weight, ring)
    own, alone = _ring_means(np.abs(spectrum) ** 2, ring), _ring_means(squares, ring)
    s_4 = _ring_means(fourth, ring)
    signal = np.maximum((own - alone) / np.maximum(s_s - s_4, 1e-12), 0)
    noise = np.maximum((alone - s_4 * signal) / np.maximum(s_n, 1e-12), 0)
    ratio = noise / np.maximum(signal, 1e-3 * noise + 1e-12)
    filtered = spectrum / (weight + ratio[ring])
    return np.asarray(fft.fftshift(fft.irfft2(filtered, s=(box, box))), np.float32)


def _transfer(particles: Particles, index: int, at: torch.Tensor) -> Numbers:
    if particles.ctf is None:
        return np.ones(tuple(at.shape[1:]))
    values: Numbers = ctf(particles.ctf[[index]], at, phase_flipped=particles.phase_flipped)[0].double().numpy()
    return values


def _turned(image: Numbers, turn: Numbers) -> Numbers:
    """An image (box, box) turned by a rotation of x, y about its pixel box // 2."""
    back = turn.T[::-1, ::-1]  # of y, x, from where it is to where it was
    centre = np.full(2, image.shape[0] // 2)
    turned: Numbers = ndimage.affine_transform(image, back, centre - back @ centre, order=1)
    return turned


def _ring_means(values: Numbers, ring: npt.NDArray[np.intp]) -> Numbers:
    means: Numbers = np.bincount(ring.ravel(), values.ravel()) / np.maximum(np.bincount(ring.ravel()), 1)
    return means
