"""How far a volume is from the truth, once both lie the same way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.metrics import correlation, psnr, ssim_in_mask
from napari_emgauss.registration import align_volume
from napari_emgauss.slices import WorldGrid, WorldVolume

_RIM_VOXELS = 6


@dataclass(frozen=True)
class VolumeScore:
    """Scores in the mask, after a rigid alignment and a gain."""

    psnr_db: float
    """The peak is the range of the truth in the mask."""
    ssim: float
    correlation: float


def score_volume(
    volume: WorldVolume, truth: WorldVolume, mask: AnyArray, *, start: AnyArray | None = None
) -> VolumeScore:
    """Return the scores of a volume.

    Nothing but the truth fixes where a reconstruction from moving slices lies, or how bright it is: it is moved rigidly
    and scaled to where it agrees best.

    Parameters
    ----------
    volume
        On any grid.
    truth, mask
        Voxels and those that count (z, y, x).
    start
        Where the alignment starts: the rigid matrix (4, 4) from places in the truth to places in the volume, as the
        estimated motion has it.
    """
    low, high = _box(mask)
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    affine = truth.affine.copy()
    affine[:3, 3] = truth.affine[:3, :3] @ low + truth.affine[:3, 3]
    seen, inside = truth.values[part], mask[part]
    matrix = align_volume(volume, WorldVolume(seen, affine), inside, start=start)
    points = WorldGrid(seen.shape, affine).moved(matrix).positions()
    moved = volume.sample(points, order=3)
    squares = float(np.vdot(moved[inside], moved[inside]))
    if squares > 0:
        moved = moved * np.float32(np.vdot(moved[inside], seen[inside]) / squares)
    peak = float(np.ptp(seen[inside]))
    return VolumeScore(
        psnr(moved[inside], seen[inside], data_range=peak),
        ssim_in_mask(moved, seen, inside, data_range=peak),
        correlation(moved[inside], seen[inside]),
    )


def _box(mask: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Return the first and the last voxel of the mask, and a rim."""
    at = np.argwhere(mask)
    return np.maximum(at.min(0) - _RIM_VOXELS, 0), np.minimum(at.max(0) + _RIM_VOXELS + 1, mask.shape)
