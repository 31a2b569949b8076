"""Stacks registered to one another as wholes: where the motion of their slices starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import AnyArray
from napari_emgauss.registration.gauss_newton import descend
from napari_emgauss.registration.pixels import SlicePixels
from napari_emgauss.registration.slices import ARM_MM
from napari_emgauss.slices import SliceProfile, SliceStack, WorldGrid, WorldVolume
from napari_emgauss.slices.motion import from_affines

COARSE_TO_FINE_MM = (6.0, 3.0, 1.5)
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
    grid = _grid_around(stacks[reference])
    matrices = [np.eye(4) for _ in stacks]
    sums = [_resampled(stacks[reference], grid)]
    for k, stack in enumerate(stacks):
        if k == reference:
            continue
        volume = WorldVolume(np.mean(sums, axis=0), grid.affine)
        shift = np.eye(4)
        shift[:3, 3] = stacks[reference].mask_centre - stack.mask_centre
        matrices[k] = register_stack(volume, stack, starts=(np.eye(4), shift))
        sums.append(_resampled(stack.moved(matrices[k]), grid))
    return matrices


def register_stack(
    volume: WorldVolume, stack: SliceStack, *, starts: Sequence[AnyArray] = (np.eye(4),), iterations: int = 20
) -> AnyArray:
    """Return the rigid matrix (4, 4) near one of ``starts`` that moves a whole stack to where it fits a volume best."""
    pivot, best = stack.mask_centre, list(starts)
    for blur in COARSE_TO_FINE_MM:
        coarse = WorldVolume(gaussian_filter(volume.values, blur / volume.spacing_mm), volume.affine)
        pixels = _thinned(stack, blur)
        slices = np.flatnonzero(np.diff(pixels.starts))
        found = [descend(coarse, pixels, slices, start, pivot, iterations=iterations, arm_mm=ARM_MM) for start in best]
        # All starts are tried where the blur is largest; the one that fits best goes on.
        best = [min(found, key=lambda pair: pair[1].cost)[0]]
    return best[0]


def stack_motion(stack: SliceStack, matrix: AnyArray) -> AnyArray:
    """Return the motion (n, 6) of slices that all move with their stack."""
    return from_affines(np.tile(matrix, (stack.n_slices, 1, 1)), stack.pivots)


def _thinned(stack: SliceStack, blur_mm: float) -> SlicePixels:
    """Return pixels of a blurred stack, as many of them as the blur leaves worth comparing."""
    sigma = blur_mm / stack.spacing_mm
    inside = stack.inside.astype(np.float32)
    # Blurred within the mask: what lies around the object is not part of it in any other stack.
    weight = gaussian_filter(inside, sigma)
    images = gaussian_filter(stack.images * inside, sigma)
    step = np.maximum(np.floor(sigma), 1).astype(int)
    chosen = np.zeros(stack.images.shape, bool)
    chosen[:: step[0], :: step[1], :: step[2]] = True
    near = weight > 0.02
    return SlicePixels(replace(stack, images=images), _POINT, chosen & near, (1, 1, 1))


def _grid_around(stack: SliceStack) -> WorldGrid:
    return WorldGrid.around(stack.mask_points(), _GRID_MM, margin_mm=4 * COARSE_TO_FINE_MM[0])


def _resampled(stack: SliceStack, grid: WorldGrid) -> AnyArray:
    """Return a stack, nothing outside its mask, on a grid; its mean intensity is 1."""
    mean = max(float(stack.images[stack.inside].mean()), 1e-30)
    masked = np.where(stack.inside, stack.images, 0) / mean
    return WorldVolume(np.asarray(masked, np.float32), stack.affine).resampled(grid).values
