"""A volume registered to another."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_emgauss._types import AnyArray
from napari_emgauss.registration.gauss_newton import descend
from napari_emgauss.registration.pixels import SlicePixels
from napari_emgauss.registration.slices import ARM_MM
from napari_emgauss.slices import SliceProfile, SliceStack, WorldVolume

_POINT = SliceProfile(in_plane_scale=1e-3, through_scale=1e-3)
_BLUR_VOXELS = 1.0


def align_volume(
    volume: WorldVolume, reference: WorldVolume, mask: AnyArray, *, start: AnyArray | None = None, iterations: int = 30
) -> AnyArray:
    """Return the rigid matrix (4, 4) that maps places in ``reference`` to the same places in ``volume``.

    Parameters
    ----------
    volume, reference
        They differ by a rigid motion of a few degrees and voxels, and a gain.
    mask
        Voxels of the reference that count (z, y, x).
    start
        Where to look; the identity by default.
    """
    blur_mm = _BLUR_VOXELS * float(reference.spacing_mm.min())
    # Interpolation takes noise away, most of it between voxels: unblurred, a noisy volume fits best there.
    smooth = WorldVolume(gaussian_filter(volume.values, blur_mm / volume.spacing_mm), volume.affine)
    seen = gaussian_filter(reference.values, blur_mm / reference.spacing_mm)
    stack = SliceStack(seen, reference.affine, float(reference.spacing_mm[0]), mask, "reference")
    pixels = SlicePixels(stack, _POINT, n_nodes=(1, 1, 1))
    matrix = np.eye(4) if start is None else start
    return descend(
        smooth, pixels, stack.used, matrix, stack.mask_centre, iterations=iterations, arm_mm=ARM_MM, damping=1e-3
    )[0]
