"""Crops of isotropic volumes that are scored, and how much they have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_emgauss.io import read
from napari_emgauss.volume import Volume

VOXEL_SIZE_NM = (8.0, 8.0, 8.0)
"""For files that state none. Scores do not depend on it, as long as voxels are isotropic."""

TUNED_PLANES = {"fib25_sample2": 97, "epfl_ca1_crop": 76}
"""Leading planes of the volumes on which settings were chosen; 0 for any other volume."""

SIDE_PX = 192
SECTIONS = 11
MIN_SECTIONS = 4


@dataclass(frozen=True)
class Crop:
    """First plane, row and column of a part of a volume, and its size."""

    z: int
    y: int
    x: int
    planes: int
    height_px: int
    width_px: int
    role: str = "report"
    """``report``, ``whole`` or ``tuning``."""

    @property
    def name(self) -> str:
        """Like ``z97-y0-x58-192``, or ``whole``."""
        return self.role if self.role == "whole" else f"z{self.z}-y{self.y}-x{self.x}-{self.height_px}"

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Index of the volume's array."""
        starts, sizes = (self.z, self.y, self.x), (self.planes, self.height_px, self.width_px)
        z, y, x = (slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
        return z, y, x

    def read(self, path: Path) -> Volume:
        """The crop as a volume of its own."""
        volume = read(path, voxel_size_nm=VOXEL_SIZE_NM)
        return Volume(np.array(np.asarray(volume.data)[self.slices]), volume.voxel_size_nm)

    def share_in(self, other: Crop) -> float:
        """Part of this crop's voxels that ``other`` has too, 0 to 1."""
        parts = (
            max(0, min(a.stop, b.stop) - max(a.start, b.start)) / (a.stop - a.start)
            for a, b in zip(self.slices, other.slices, strict=True)
        )
        return float(np.prod(list(parts)))


def report_crops(shape: tuple[int, int, int], factor: int, *, tuned_planes: int, n: int = 3) -> list[Crop]:
    """Crops of 11 observed sections, or as many as fit, behind the planes that settings were chosen on.

    They are evenly spaced along z and lie in different corners; the last one ends at the volume's last voxel.
    Overlaps are unavoidable where the volume is small: see `Crop.share_in`.

    Parameters
    ----------
    shape
        Shape (Z, Y, X) of the volume.
    factor
        Every factor-th plane is kept.
    tuned_planes
        Planes at the start of the volume to stay away from.
    n
        Number of crops.
    """
    depth, height, width = shape
    sections = min(SECTIONS, (depth - tuned_planes - 1) // factor + 1)
    if sections < MIN_SECTIONS:
        return []
    planes = (sections - 1) * factor + 1
    side = min(SIDE_PX, height, width)
    bottom, right = height - side, width - side
    corners = ((bottom, right), (0, right), (0, 0))
    firsts = np.linspace(depth - planes, tuned_planes, max(n, 2))[:n].round().astype(int)
    found = [Crop(int(z), *corners[k % 3], planes, side, side) for k, z in enumerate(firsts)]
    return list(dict.fromkeys(found[::-1]))


def whole(shape: tuple[int, int, int], factor: int) -> Crop:
    """All of a volume up to its last observed section."""
    return Crop(0, 0, 0, (shape[0] - 1) // factor * factor + 1, shape[1], shape[2], "whole")


def tuning_crop(shape: tuple[int, int, int], factor: int) -> Crop:
    """The crop on which most settings were chosen: the first 61 planes, rows and columns 0..191."""
    planes = min((SECTIONS - 1) * factor, (shape[0] - 1) // factor * factor) + 1
    side = min(SIDE_PX, *shape[1:])
    return Crop(0, 0, 0, planes, side, side, "tuning")
