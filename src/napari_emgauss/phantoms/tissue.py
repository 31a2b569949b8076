"""A synthetic volume that looks like electron microscopy: sheared, branching neurites, organelles, noise.

Everything is drawn from a seed; the same seed gives the same volume on every machine.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from napari_emgauss._types import FloatArray
from napari_emgauss.errors import VolumeError
from napari_emgauss.volume import MIN_SECTION_PX, MIN_SECTIONS, Volume

CYTOPLASM, MEMBRANE, MITOCHONDRION, VESICLE = 0.72, 0.18, 0.42, 0.30
CELL_PX = 22
"""Typical diameter of a neurite."""
MEMBRANE_PX = 1.6
"""Half the distance over which a membrane darkens the cytoplasm."""


def phantom(shape: tuple[int, int, int] = (61, 128, 128), *, seed: int = 0, noise: float = 0.05) -> Volume:
    """Return an isotropic uint8 volume (Z, Y, X) at 8 nm.

    Parameters
    ----------
    shape
        Voxels (z, y, x); at least 2 × 16 × 16.
    seed
        Seed of everything random.
    noise
        Standard deviation of the noise at mid-grey, as a fraction of the full range.

    Raises
    ------
    VolumeError
        ``shape`` is too small or ``noise`` is negative.
    """
    if shape[0] < MIN_SECTIONS or min(shape[1:]) < MIN_SECTION_PX:
        raise VolumeError(
            f"a phantom needs at least {MIN_SECTIONS} × {MIN_SECTION_PX} × {MIN_SECTION_PX} voxels, got {shape}."
        )
    if not noise >= 0:
        raise VolumeError(f"noise must not be negative, got {noise}.")
    rng = np.random.default_rng(seed)
    sheared = _sheared_coordinates(shape, rng)
    edge, tone = _neurites(sheared, shape, rng)
    image = CYTOPLASM + 0.10 * tone
    image -= 0.05 * _texture(shape, 2.0, rng)
    _add_mitochondria(image, shape, rng)
    _add_vesicles(image, edge, shape, rng)
    membrane = np.exp(-0.5 * (edge / MEMBRANE_PX) ** 2)
    image += membrane * (MEMBRANE - image)
    image = gaussian_filter(image, 0.7)
    if noise:
        image += noise * np.sqrt(np.clip(image, 0.05, 1) / 0.5) * rng.standard_normal(shape, dtype=np.float32)
    data = np.clip(np.rint(image * 255), 0, 255).astype(np.uint8)
    return Volume(data, (8.0, 8.0, 8.0), metadata={"phantom": {"seed": seed, "noise": noise}})


def _texture(shape: tuple[int, int, int], sigma_px: float, rng: np.random.Generator) -> FloatArray:
    """Return a smooth random field of unit standard deviation."""
    field = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma_px)
    return np.asarray(field / field.std(), np.float32)


def _sheared_coordinates(shape: tuple[int, int, int], rng: np.random.Generator) -> FloatArray:
    """Return coordinates (Z·Y·X, 3) of every voxel after a smooth sideways displacement of up to ≈1 px per plane."""
    grid = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij"), -1)
    sway = [10 * _texture(shape, 14.0, rng) + slope * grid[..., 0] for slope in rng.uniform(-0.6, 0.6, 2)]
    grid[..., 1] += sway[0]
    grid[..., 2] += sway[1]
    # Cells are three times as long along z as they are wide: neurites, not foam.
    grid[..., 0] /= 3
    return grid.reshape(-1, 3)


def _neurites(
    points: FloatArray, shape: tuple[int, int, int], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return the distance to the nearest wall, in px, and a grey tone per neurite.

    Neurites are cells of a Voronoi diagram; some neighbouring seeds share a neurite, without a wall: branches.
    """
    low, high = points.min(0) - CELL_PX, points.max(0) + CELL_PX
    n_seeds = int(np.prod((high - low) / CELL_PX))
    seeds = rng.uniform(low, high, (n_seeds, 3))
    neurite = np.arange(n_seeds)
    tree = cKDTree(seeds)
    merged = rng.choice(n_seeds, n_seeds // 4, replace=False)
    neurite[merged] = neurite[tree.query(seeds[merged], 2)[1][:, 1]]
    distance, nearest = tree.query(points, 3, workers=1)
    # The wall between two seeds is where their distances are equal; half their difference measures it.
    walls = np.where(
        neurite[nearest[:, 1:]] == neurite[nearest[:, :1]], np.inf, (distance[:, 1:] - distance[:, :1]) / 2
    )
    edge = np.minimum(walls.min(1), 1e3).astype(np.float32).reshape(shape)
    tone = rng.uniform(-1, 1, n_seeds).astype(np.float32)[neurite[nearest[:, 0]]].reshape(shape)
    return edge, tone


def _add_mitochondria(image: FloatArray, shape: tuple[int, int, int], rng: np.random.Generator) -> None:
    """Draw dark textured ellipsoids with a darker rim."""
    z, y, x = (np.arange(n, dtype=np.float32) for n in shape)
    texture = _texture(shape, 1.3, rng)
    for _ in range(max(1, round(np.prod(shape) / 60_000))):
        centre = rng.uniform(0, shape)
        radius = rng.uniform((10, 4, 4), (25, 9, 9))
        tilt = rng.uniform(-0.5, 0.5, 2)
        dz = (z - centre[0])[:, None, None]
        dy = (y - centre[1])[None, :, None] - tilt[0] * dz
        dx = (x - centre[2])[None, None, :] - tilt[1] * dz
        r = np.sqrt((dz / radius[0]) ** 2 + (dy / radius[1]) ** 2 + (dx / radius[2]) ** 2)
        inside = np.clip((1 - r) * 6, 0, 1)
        matrix = MITOCHONDRION + 0.08 * texture
        rim = np.exp(-0.5 * ((r - 0.95) / 0.08) ** 2)
        image += inside * (matrix - image)
        image += 0.8 * rim * (MEMBRANE - image)


def _add_vesicles(image: FloatArray, edge: FloatArray, shape: tuple[int, int, int], rng: np.random.Generator) -> None:
    """Draw clusters of small dark rings inside neurites."""
    for _ in range(max(1, round(np.prod(shape) / 100_000))):
        cluster = rng.uniform(0, shape)
        for centre in rng.normal(cluster, 7, (25, 3)):
            box = tuple(slice(max(0, int(c) - 5), max(0, int(c) + 6)) for c in centre)
            part = image[box]
            if part.size == 0:
                continue
            axes = np.ix_(*(np.arange(s.start, s.start + n) for s, n in zip(box, part.shape, strict=True)))
            r = np.sqrt(sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)))
            ring = np.exp(-0.5 * ((r - 2.4) / 0.8) ** 2) * (edge[box] > 4)
            part += ring * (VESICLE - part)
