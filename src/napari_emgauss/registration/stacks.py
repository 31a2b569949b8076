"""Stacks registered to one another as wholes: where the motion of their slices starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.registration.gauss_newton import descend
from napari_emgauss.registration.pixels import SlicePixels
from napari_emgauss.registration.slices import ARM_MM
from napari_emgauss.slices import SliceProfile, SliceStack, WorldGrid, WorldVolume
from napari_emgauss.slices.motion import from_affines

COARSE_TO_FINE_MM = (5.0, 3.0, 1.5)
"""Blurs (σ) under which a stack is registered."""
_GRID_MM = 2.0
_POINT = SliceProfile(in_plane_scale=1e-3, through_scale=1e-3)


def align_stacks(stacks: Sequence[SliceStack], *, reference: int = 0) -> list[AnyArray]:
    """Return a rigid matrix (4, 4) for each stack that moves it onto the reference stack.

    Each starts where its header has it, and with the centroids of the masks together; the better one is kept. Those
    aligned before count as reference, too, for the next.

    Parameters
    ----------
    stacks
        With masks of the same object.
    reference
        The stack that stays where it is.
    """
    points = stacks[reference].mask_points()
    grid = WorldGrid.around(points, _GRID_MM, margin_mm=4 * COARSE_TO_FINE_MM[0])
    matrices = [np.eye(4) for _ in stacks]
    total, covered = _resampled(stacks[reference], grid)
    for k, stack in enumerate(stacks):
        if k == reference:
            continue
        volume = WorldVolume(np.asarray(total / np.maximum(covered, 0.5), np.float32), grid.affine)
        shift = np.eye(4)
        shift[:3, 3] = stacks[reference].mask_centre - stack.mask_centre
        matrices[k] = register_stack(volume, covered > 0.5, stack, starts=(np.eye(4), shift))
        for so_far, more in zip((total, covered), _resampled(stack.moved(matrices[k]), grid), strict=True):
            so_far += more
    return matrices


def register_stack(
    volume: WorldVolume,
    mask: AnyArray,
    stack: SliceStack,
    *,
    starts: Sequence[AnyArray] = (np.eye(4),),
    iterations: int = 20,
) -> AnyArray:
    """Return the rigid matrix (4, 4) near one of ``starts`` that moves a whole stack to where it fits a volume best.

    Within their masks both are taken without their means, and zero around them: structures are compared, and not the
    outlines of what somebody drew. Where the volume shows nothing of the object, the first start is returned.

    Parameters
    ----------
    volume, mask
        Voxels, and those of the object (z, y, x).
    stack
        With a mask of the same object.
    starts
        Matrices (4, 4); the one that leads to the best fit counts.
    iterations
        At each of the blurs, which go from coarse to fine.
    """
    if not mask.any():
        return starts[0]
    pivot, best = stack.mask_centre, list(starts)
    inside = np.where(mask, volume.values - volume.values[mask].mean(), 0)
    for blur in COARSE_TO_FINE_MM:
        coarse = WorldVolume(_blurred(inside, mask, blur / volume.spacing_mm), volume.affine)
        pixels = _thinned(stack, blur)
        slices = np.flatnonzero(np.diff(pixels.starts))
        found = [descend(coarse, pixels, slices, start, pivot, iterations=iterations, arm_mm=ARM_MM) for start in best]
        # All starts are tried where the blur is largest; the one that fits best goes on.
        best = [min(found, key=lambda pair: pair[1].cost)[0]]
    return best[0]


def stack_motion(stack: SliceStack, matrix: AnyArray) -> AnyArray:
    """Return the motion (n, 6) of slices that all move with their stack."""
    return from_affines(np.tile(matrix, (stack.n_slices, 1, 1)), stack.pivots)


def _blurred(values: AnyArray, mask: AnyArray, sigma: AnyArray) -> FloatArray:
    """Blur within a mask: what lies around the object is not part of it."""
    share = gaussian_filter(mask.astype(np.float32), sigma)
    return np.asarray(np.where(mask, gaussian_filter(values, sigma) / np.maximum(share, 0.1), 0), np.float32)


def _thinned(stack: SliceStack, blur_mm: float) -> SlicePixels:
    """Return pixels of a blurred stack, as many of them as the blur leaves worth comparing."""
    sigma = blur_mm / stack.spacing_mm
    images = _blurred(_contrast(stack), stack.inside, sigma)
    step = np.maximum(np.floor(sigma), 1).astype(int)
    chosen = np.zeros(images.shape, bool)
    chosen[:: step[0], :: step[1], :: step[2]] = True
    return SlicePixels(replace(stack, images=images), _POINT, chosen & stack.inside, (1, 1, 1))


def _contrast(stack: SliceStack) -> FloatArray:
    """Return a stack by its standard deviation from its mean, zero around the mask."""
    seen = stack.images[stack.inside]
    return np.asarray(
        np.where(stack.inside, (stack.images - seen.mean()) / max(float(seen.std()), 1e-30), 0), np.float32
    )


def _resampled(stack: SliceStack, grid: WorldGrid) -> tuple[FloatArray, FloatArray]:
    """Return a stack's contrast and its mask on a grid."""
    return (
        WorldVolume(_contrast(stack), stack.affine).resampled(grid).values,
        WorldVolume(stack.inside.astype(np.float32), stack.affine).resampled(grid).values,
    )
