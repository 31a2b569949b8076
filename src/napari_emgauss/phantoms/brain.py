"""A synthetic head as T2-weighted MRI shows one: folded cortex, white matter, ventricles, fluid."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.errors import VolumeError
from napari_emgauss.slices import WorldVolume

WHITE_MATTER, GREY_MATTER, FLUID, NUCLEUS = 520.0, 330.0, 900.0, 410.0
MIN_SIDE = 16


def brain_phantom(
    shape: tuple[int, int, int] = (72, 88, 72), *, voxel_size_mm: float = 1.0, seed: int = 0
) -> tuple[WorldVolume, AnyArray]:
    """Return an isotropic volume (z, y, x) in RAS millimetres around the origin, and the mask of the brain in it.

    Parameters
    ----------
    shape
        Voxels (z, y, x), at least 16 each.
    voxel_size_mm
        Their size; structures keep their size in voxels.
    seed
        Seed of the folds and the texture.

    Raises
    ------
    VolumeError
        ``shape`` is too small.
    """
    if min(shape) < MIN_SIDE:
        raise VolumeError(f"a phantom of a brain needs at least {MIN_SIDE} voxels along each axis, got {shape}.")
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) * n / (n - 6) for n in shape), indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    folds = radius + 0.11 * _texture(shape, 1.9, rng) + 0.05 * _texture(shape, 4.0, rng)
    image = np.full(shape, FLUID)
    _blend(image, GREY_MATTER, 0.93 - folds)
    _blend(image, WHITE_MATTER + 30 * _texture(shape, 3.0, rng), 0.74 - folds)
    for side in (-1, 1):
        _blend(image, NUCLEUS, 0.20 - _distance(x - 0.27 * side, y - 0.02, z + 0.08, (0.7, 1.3, 0.9)))
        bend = 0.22 * side + 0.10 * side * y**2
        _blend(image, FLUID, 0.13 - _distance(x - bend, y + 0.05, z - 0.16 - 0.15 * y, (0.6, 3.4, 0.9)))
    _blend(image, FLUID, 0.045 - np.abs(x) - np.maximum(0.55 - radius, 0))  # the cleft between the halves
    inside = radius < 1.0
    image *= gaussian_filter(inside.astype(np.float64), 0.7)
    image += 12 * _texture(shape, 1.2, rng) * inside
    affine = np.eye(4)
    affine[:3, :3] = voxel_size_mm * np.eye(3)[:, ::-1]
    affine[:3, 3] = -voxel_size_mm * (np.array(shape[::-1]) - 1) / 2
    return WorldVolume(np.maximum(gaussian_filter(image, 0.6), 0).astype(np.float32), affine), inside


def _texture(shape: tuple[int, int, int], sigma: float, rng: np.random.Generator) -> FloatArray:
    field = gaussian_filter(rng.standard_normal(shape), sigma)
    return np.asarray(field / field.std(), np.float32)


def _distance(x: AnyArray, y: AnyArray, z: AnyArray, radii: tuple[float, float, float]) -> AnyArray:
    return np.sqrt((x / radii[0]) ** 2 + (y / radii[1]) ** 2 + (z / radii[2]) ** 2)


def _blend(image: AnyArray, value: AnyArray | float, depth: AnyArray) -> None:
    """Draw ``value`` where ``depth`` is positive, with an edge of about a voxel."""
    share = np.clip(depth * min(image.shape) / 2 + 0.5, 0, 1)
    image += share * (value - image)
