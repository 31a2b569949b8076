"""Particles that a microscope would record of a known molecule, for tests, samples and benchmarks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import map_coordinates, spline_filter
from scipy.spatial.transform import Rotation

from napari_emgauss._types import FloatArray
from napari_emgauss.forward.backprojection.sums import BATCH, batches
from napari_emgauss.forward.ctf import ctf, frequencies
from napari_emgauss.particles import ArrayImages, CtfParameters, Particles
from napari_emgauss.phantoms import phantom_molecule

Numbers = npt.NDArray[np.float64]
Project = Callable[[Numbers], FloatArray]
"""Takes rotations (k, 3, 3), returns noise-free projections (k, box, box)."""


def projections_of(density: FloatArray, *, padding: int = 3) -> Project:
    """Return what projects a map (z, y, x), by central slices of its padded Fourier transform."""
    box = density.shape[0]
    m = padding * box
    low = m // 2 - box // 2
    padded = np.zeros((m,) * 3, np.float32)
    padded[low : low + box, low : low + box, low : low + box] = density
    spectrum = fft.fftshift(fft.fftn(fft.ifftshift(padded)).astype(np.complex64))
    splines = [spline_filter(part, order=3, output=np.float32) for part in (spectrum.real, spectrum.imag)]
    axis = fft.fftfreq(box, 1 / box)
    plane = np.stack([*np.meshgrid(axis, axis, indexing="xy"), np.zeros((box, box))], -1).reshape(-1, 3)

    def project(rotations: Numbers) -> FloatArray:
        images = np.empty((len(rotations), box, box), np.float32)
        for out, rotation in zip(images, rotations, strict=True):
            out[:] = _slice(rotation)
        return images

    def _slice(rotation: Numbers) -> FloatArray:
        places = (plane @ rotation)[:, ::-1].T * padding + m // 2  # rows: z, y, x of Rᵀ k
        parts = [map_coordinates(part, places, order=3, mode="constant", prefilter=False) for part in splines]
        values = (parts[0] + 1j * parts[1]).reshape(box, box)
        return np.asarray(fft.fftshift(fft.ifft2(values)).real, np.float32)

    return project


def radial_noise(power: Numbers, box_px: int, n_images: int, rng: np.random.Generator) -> FloatArray:
    """Return noise (n, box, box) whose power at radius r, in cycles per box, is proportional to ``power[r]``."""
    y, x = fft.fftfreq(box_px, 1 / box_px), np.arange(box_px // 2 + 1)
    amplitude = np.sqrt(np.interp(np.hypot(y[:, None], x), np.arange(len(power)), power))
    white = rng.standard_normal((n_images, box_px, box_px)).astype(np.float32)
    return np.asarray(fft.irfft2(fft.rfft2(white) * amplitude, s=(box_px, box_px)), np.float32)


def simulate_particles(
    project: Project,
    *,
    box_px: int,
    pixel_size_angstrom: float,
    rotations: Numbers,
    shifts_angstrom: Numbers,
    parameters: CtfParameters | None,
    snr: float,
    rng: np.random.Generator,
    noise_power: Numbers | None = None,
) -> Particles:
    """Return particles: projected, multiplied by their CTF, shifted, with noise.

    Parameters
    ----------
    project
        Noise-free projections of the molecule.
    box_px, pixel_size_angstrom
        Of the images.
    rotations, shifts_angstrom, parameters
        Poses and CTFs, as `Particles` has them.
    snr
        Variance of all noise-free images over that of the noise; infinite for none.
    rng
        Source of the noise.
    noise_power
        Radial power of the noise in cycles per box; white by default.
    """
    n = len(rotations)
    images = np.empty((n, box_px, box_px), np.float32)
    at = frequencies(box_px, pixel_size_angstrom)
    x, y = (axis.numpy() for axis in at)
    for batch in batches(range(n), BATCH):
        chosen = np.asarray(batch)
        spectrum = fft.rfft2(fft.ifftshift(project(rotations[chosen]), axes=(-2, -1)))
        if parameters is not None:
            spectrum = spectrum * ctf(parameters[chosen], at).numpy()
        shift = shifts_angstrom[chosen]
        spectrum = spectrum * np.exp(2j * np.pi * (shift[:, 0, None, None] * x + shift[:, 1, None, None] * y))
        images[chosen] = fft.fftshift(fft.irfft2(spectrum, s=(box_px, box_px)), axes=(-2, -1))
    if np.isfinite(snr):
        noise = radial_noise(np.ones(2) if noise_power is None else noise_power, box_px, n, rng)
        images += noise * np.float32(images.std() / np.sqrt(snr) / noise.std())
    return Particles(
        images=ArrayImages(images),
        pixel_size_angstrom=pixel_size_angstrom,
        rotations=rotations,
        shifts_angstrom=shifts_angstrom,
        ctf=parameters,
        data_sign=1,
        source="simulation",
    )


def phantom_particles(
    n_particles: int = 600, *, box_px: int = 48, pixel_size_angstrom: float = 4.0, snr: float = 0.1, seed: int = 0
) -> Particles:
    """Return particles of a phantom molecule in random poses, each with a CTF of its own: a sample to try things on.

    Parameters
    ----------
    n_particles, box_px, pixel_size_angstrom
        Of the images.
    snr
        Variance of all noise-free images over that of the noise.
    seed
        Another seed gives other poses and noise, of the same molecule.
    """
    rng, molecule = np.random.default_rng(seed), phantom_molecule()
    defocus = rng.uniform(10_000, 25_000, n_particles)
    parameters = CtfParameters(
        defocus_u_angstrom=defocus + rng.uniform(0, 500, n_particles),
        defocus_v_angstrom=defocus,
        defocus_angle_deg=rng.uniform(0, 180, n_particles),
        voltage_kv=np.full(n_particles, 300.0),
        cs_mm=np.full(n_particles, 2.7),
        amplitude_contrast=np.full(n_particles, 0.1),
        phase_shift_deg=np.zeros(n_particles),
        b_factor=np.full(n_particles, 50.0),
    )
    return simulate_particles(
        lambda rotations: molecule.project(rotations, box_px, pixel_size_angstrom),
        box_px=box_px,
        pixel_size_angstrom=pixel_size_angstrom,
        rotations=Rotation.random(n_particles, rng=rng).as_matrix(),
        shifts_angstrom=rng.uniform(-6, 6, (n_particles, 2)),
        parameters=parameters,
        snr=snr,
        rng=rng,
    )
