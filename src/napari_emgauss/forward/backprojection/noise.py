"""What is known of particles before there is a map: the spectrum of their noise, and whether they are white."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.sums import batches, centred_spectrum, kept_frequencies, transfer
from napari_emgauss.particles import Particles

Numbers = npt.NDArray[np.float64]
EDGE_PX = 1.0
"""Softness of the edge of the background."""
BACKGROUND_FROM = 0.94
"""Radius, as a part of half the box, beyond which the noise is measured."""
CENTRE_TO = 0.4
"""Radius, as a part of half the box, within which the particle is."""
LOW_PASS = 0.25
"""Part of Nyquist that the sign is found at."""


def noise_power(
    particles: Particles, indices: npt.NDArray[np.int64], *, stop: Callable[[], bool] = lambda: False
) -> Numbers:
    """Return the mean |n(k)|² of the noise on shells 1 .. box / 2, per optics group: (groups, box / 2 + 1).

    It is that of what lies outside of the particle. A shell that nothing is known of has that of its neighbour. Once
    ``stop`` returns True, no further images are read.
    """
    box = particles.box_px
    kept, xy = kept_frequencies(box)
    shell = np.rint(np.hypot(*xy.T)).astype(np.intp)
    axis = np.arange(box) - box // 2
    outside = 1 / (1 + np.exp((BACKGROUND_FROM * box / 2 - np.hypot(axis[:, None], axis)) / EDGE_PX))
    per_shell = np.bincount(shell, minlength=box // 2 + 1)
    power = np.zeros((len(particles.optics_names), box // 2 + 1))
    counts = np.zeros(len(power))
    for batch in batches(indices.tolist()):
        if stop():
            break
        squares = np.abs(centred_spectrum(particles.read(batch) * outside.astype(np.float32))[:, kept]) ** 2
        for group in np.unique(particles.optics_group[batch]):
            own = particles.optics_group[batch] == group
            power[group] += np.bincount(shell, squares[own].sum(0), minlength=box // 2 + 1)
            counts[group] += own.sum()
    power /= np.maximum(counts[:, None] * per_shell, 1) * (outside**2).mean()
    known = power > 1e-9 * power.max(1, keepdims=True).clip(1e-30)
    shells = np.arange(box // 2 + 1)
    return np.stack(
        [
            np.interp(shells, shells[is_known], own[is_known]) if is_known.any() else np.ones_like(own)
            for own, is_known in zip(power, known, strict=True)
        ]
    )


def noise_weights(power: Numbers, box_px: int, *, whiten: bool = True) -> FloatArray:
    """Return one over the variance of every kept coefficient, per optics group: (groups, f)."""
    _, xy = kept_frequencies(box_px)
    radius, shells = np.hypot(*xy.T), np.arange(power.shape[1])
    if not whiten:
        power = np.broadcast_to(power[:, 1:].mean(1, keepdims=True), power.shape)
    return np.stack([1 / np.interp(radius, shells, own) for own in power]).astype(np.float32)


def found_sign(
    particles: Particles, indices: npt.NDArray[np.int64], *, stop: Callable[[], bool] = lambda: False
) -> int:
    """Return 1 if the particles are white, -1 if they are black.

    What all images have in common, once each is centred and multiplied by its CTF, is a blurred particle: it is seen
    whether its middle is brighter than what is around it. Once ``stop`` returns True, no further images are read.
    """
    box = particles.box_px
    kept, xy = kept_frequencies(box)
    low = np.exp(-0.5 * (np.hypot(*xy.T) / (LOW_PASS * box / 2)) ** 2)
    total = np.zeros(len(xy), np.complex128)
    for batch in batches(indices.tolist()):
        if stop():
            break
        chosen = np.asarray(batch)
        phase = np.exp(-2j * np.pi * (particles.shifts_px[chosen] @ xy.T) / box)
        spectrum = centred_spectrum(particles.read(batch))[:, kept]
        total += (spectrum * phase * transfer(particles, chosen)).sum(0)
    spectrum = np.zeros(kept.shape, np.complex128)
    spectrum[kept] = total * low
    average = np.fft.fftshift(np.fft.irfft2(spectrum, s=(box, box)))
    axis = np.arange(box) - box // 2
    radius = np.hypot(axis[:, None], axis) / (box / 2)
    # A white particle among negative surroundings: its highest point is further from 0 than its lowest.
    centre = average[radius < CENTRE_TO]
    return 1 if centre.mean() >= average[(radius > CENTRE_TO) & (radius < 1)].mean() else -1
