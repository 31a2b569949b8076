"""Molecules made of atoms, for tests, samples and benchmarks of what particles show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_emgauss._types import FloatArray

Numbers = npt.NDArray[np.float64]
BOND_ANGSTROM = 3.8
"""Distance between neighbours in the chain, that of residues in a protein."""
STIFFNESS = 0.8
"""How much a step of the chain goes on in the direction of the one before."""


@dataclass(frozen=True, eq=False)
class Molecule:
    """Atoms as round Gaussians.

    Parameters
    ----------
    positions_angstrom
        Atoms (n, 3) as x, y, z about the molecule's centre.
    weights
        Integral (n,) of each.
    width_angstrom
        Standard deviation of each.
    """

    positions_angstrom: Numbers
    weights: Numbers
    width_angstrom: float

    def map(self, box_px: int, pixel_size_angstrom: float) -> FloatArray:
        """Return the density (z, y, x) sampled at the voxels, its centre at voxel box // 2."""
        x, y, z = self._profiles(self.positions_angstrom.T, box_px, pixel_size_angstrom)
        x = x * self.weights[:, None]
        return np.stack([(y * along[:, None]).T @ x for along in z.T]).astype(np.float32)

    def project(self, rotations: Numbers, box_px: int, pixel_size_angstrom: float) -> FloatArray:
        """Return projections (k, box, box): of round Gaussians they are round Gaussians."""
        images = np.empty((len(rotations), box_px, box_px), np.float32)
        for out, rotation in zip(images, rotations, strict=True):
            x, y = self._profiles(rotation[:2] @ self.positions_angstrom.T, box_px, pixel_size_angstrom)
            out[:] = y.T @ (x * self.weights[:, None])
        return images

    def _profiles(self, places: Numbers, box_px: int, pixel_size_angstrom: float) -> Numbers:
        """Gaussians of unit sum (axes, n, box) at ``places`` (axes, n)."""
        pixels = np.arange(box_px) - box_px // 2
        width = self.width_angstrom / pixel_size_angstrom
        offsets = pixels - places[..., None] / pixel_size_angstrom
        profiles: Numbers = np.exp(-0.5 * (offsets / width) ** 2) / (np.sqrt(2 * np.pi) * width)
        return profiles


def phantom_molecule(
    n_atoms: int = 1500, *, radius_angstrom: float = 55.0, width_angstrom: float = 4.0, seed: int = 0
) -> Molecule:
    """Return a molecule of three globular lobes without symmetry, each a folded chain of atoms.

    Parameters
    ----------
    n_atoms
        Atoms of all lobes.
    radius_angstrom
        Distance of the furthest atom from the centre.
    width_angstrom
        Standard deviation of an atom.
    seed
        Another seed gives another molecule.
    """
    rng = np.random.default_rng(seed)
    centres = np.array([[0.0, 0.0, 0.0], [1.0, 0.15, 0.3], [-0.25, 0.8, -0.55]])
    sizes = np.array([0.5, 0.3, 0.2])
    lobes = []
    for centre, size in zip(centres, sizes, strict=True):
        chain = _folded_chain(max(int(size * n_atoms), 2), rng)
        lobes.append(centre * radius_angstrom * 0.6 + chain * radius_angstrom * size ** (1 / 3) * 0.45)
    positions = np.concatenate(lobes)
    positions -= positions.mean(0)
    positions *= radius_angstrom / np.linalg.norm(positions, axis=1).max()
    return Molecule(positions, np.full(len(positions), 6.0), width_angstrom)


def _folded_chain(n: int, rng: np.random.Generator) -> Numbers:
    """A walk (n, 3) that is drawn back to its middle, of unit root mean square radius per axis."""
    places, step = np.zeros((n, 3)), np.zeros(3)
    extent = BOND_ANGSTROM * n ** (1 / 3)
    for i in range(1, n):
        step = STIFFNESS * step + rng.standard_normal(3) - places[i - 1] / extent
        step *= BOND_ANGSTROM / np.linalg.norm(step)
        places[i] = places[i - 1] + step
    places -= places.mean(0)
    unit: Numbers = places / places.std(0)
    return unit
