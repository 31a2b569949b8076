"""Particles with their settings, checked and split into halves; nothing is learned yet."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_emgauss.errors import ConfigError, ParticlesError
from napari_emgauss.io.guard import check_room_in_memory
from napari_emgauss.methods.gem.config import GemConfig
from napari_emgauss.methods.gem.symmetry import symmetry_operators
from napari_emgauss.particles import Particles

SMALLEST_HALF = 4
"""Particles that each half must have."""
BYTES_PER_VOXEL, WHILE_REFINING = 310, 380
"""Memory per voxel of the map while images are summed: grids of twice and three times the box, beside the sums of the
other half; and while they are summed again with refined views, beside what was found without."""


@dataclass(frozen=True, eq=False)
class GemSetup:
    """Particles with their settings.

    Parameters
    ----------
    particles
        The particles, read in the box that is reconstructed.
    config
        Settings.
    seed
        Seed of all random numbers.
    """

    particles: Particles
    config: GemConfig
    seed: int

    @cached_property
    def operators(self) -> npt.NDArray[np.float64]:
        """Rotations (g, 3, 3) of the symmetry."""
        return symmetry_operators(self.config.symmetry)

    @cached_property
    def halves(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Indices of the particles of either half: the file's split, or a random one that depends on the seed alone."""
        half = self.particles.halves
        if half is None:
            n = len(self.particles)
            half = np.random.default_rng((self.seed, n)).permutation(n) % 2
        first, second = np.flatnonzero(half == 0), np.flatnonzero(half == 1)
        if min(len(first), len(second)) < SMALLEST_HALF:
            raise ParticlesError(
                f"each half must have at least {SMALLEST_HALF} particles, got {len(first)} and {len(second)}. "
                "Use more particles."
            )
        return first, second

    @property
    def box_px(self) -> int:
        """Side of images and map."""
        return self.particles.box_px

    @property
    def pixel_size_angstrom(self) -> float:
        """Side of a voxel."""
        return self.particles.box_pixel_size_angstrom

    @cached_property
    def fingerprint(self) -> str:
        """Hash of particles and settings, which a half-done training is known by."""
        particles, digest = self.particles, hashlib.sha256()
        about = {
            "config": self.config.to_json(),
            "seed": self.seed,
            "shape": list(particles.images.shape),
            "box": particles.box_px,
            "pixel": particles.pixel_size_angstrom,
            "sign": particles.data_sign,
            "flipped": particles.phase_flipped,
            "groups": list(particles.optics_names),
        }
        digest.update(json.dumps(about, sort_keys=True).encode())
        arrays = [particles.rotations, particles.shifts_angstrom, particles.optics_group, *self.halves]
        if particles.ctf is not None:
            arrays += list(vars(particles.ctf).values())
        for array in arrays:
            digest.update(np.ascontiguousarray(array).tobytes())
        some = np.unique(np.linspace(0, len(particles) - 1, 16).astype(int))
        digest.update(particles.images.read(some.tolist()).tobytes())
        return digest.hexdigest()


def prepare(particles: Particles, *, seed: int = 0, device: str = "auto", **settings: Any) -> GemSetup:
    """Check particles and settings; see `reconstruct_particles`.

    Raises
    ------
    ConfigError, ParticlesError, OutOfMemoryError
        With the value received, the rule and the remedy.
    """
    if device not in ("auto", "cpu"):
        raise ConfigError(f"device must be auto or cpu for particles, got {device!r}.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"seed must be a whole number of at least 0, got {seed!r}.")
    setup = GemSetup(particles, GemConfig().with_settings(**settings), seed)
    _ = setup.operators, setup.halves
    box = particles.box_px
    check_room_in_memory(
        (BYTES_PER_VOXEL if setup.config.refine == "off" else WHILE_REFINING) * box**3,
        what=f"a map of {box}³ voxels while its images are summed",
        remedy="Use a smaller box: box_px (--box-px).",
    )
    return setup
