"""Density maps: cubes of voxels with their pixel size in Å, to and from MRC files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss._types import FloatArray, Triple
from napari_emgauss.errors import VolumeError
from napari_emgauss.io.files import read, write
from napari_emgauss.volume import Volume


@dataclass(frozen=True, eq=False)
class DensityMap:
    """A map (z, y, x) of cubic voxels.

    Parameters
    ----------
    values
        float32 densities; the molecule's origin is voxel n // 2.
    pixel_size_angstrom
        Side of a voxel.
    origin_angstrom
        Centre of the first voxel (z, y, x).
    metadata
        Plain JSON values that are stored with it.
    """

    values: FloatArray
    pixel_size_angstrom: float
    origin_angstrom: Triple = (0.0, 0.0, 0.0)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels (z, y, x)."""
        z, y, x = self.values.shape
        return z, y, x

    def volume(self) -> Volume:
        """Return it as a volume with lengths in nm."""
        side, (z, y, x) = self.pixel_size_angstrom / 10, self.origin_angstrom
        values = np.ascontiguousarray(self.values, np.float32)
        return Volume(values, (side, side, side), (z / 10, y / 10, x / 10), dict(self.metadata))

    def write(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write an MRC file (.mrc), or any other that `napari_emgauss.write` knows.

        Raises
        ------
        FileExistsError, FileFormatError, OSError
            As `napari_emgauss.write` does.
        """
        return write(self.volume(), path, overwrite=overwrite)


def read_map(path: str | Path, *, pixel_size_angstrom: float | None = None) -> DensityMap:
    """Read a map of cubic voxels; ``pixel_size_angstrom`` wins over the file's.

    Raises
    ------
    VolumeError
        Its voxels are no cubes.
    """
    size = None if pixel_size_angstrom is None else (pixel_size_angstrom / 10,) * 3
    volume = read(path, voxel_size_nm=size)
    sides = volume.voxel_size_nm
    if max(sides) - min(sides) > 1e-3 * max(sides):
        raise VolumeError(f"{path} must have cubic voxels, got {sides} nm. Pass pixel_size_angstrom=.")
    z, y, x = volume.origin_nm
    return DensityMap(np.asarray(volume.data[:], np.float32), 10 * sides[0], (10 * z, 10 * y, 10 * x))
