"""World volumes and stacks as NIfTI files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from napari_emgauss._types import AnyArray
from napari_emgauss.errors import VolumeError
from napari_emgauss.io.stacks.nifti import checked_target, read_nifti, write_nifti
from napari_emgauss.slices import SliceStack, WorldVolume

_REVERSED = [2, 1, 0, 3]
"""Columns of an affine, from (z, y, x) to (i, j, k) and back."""


class NiftiVolume(WorldVolume):
    """A world volume that can write itself."""

    def write(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write it as .nii or .nii.gz; see `write_world_volume`."""
        return write_world_volume(self, path, overwrite=overwrite)


def write_world_volume(volume: WorldVolume, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a volume as NIfTI (.nii, .nii.gz), float32, with its place in space; returns the path.

    Raises
    ------
    FileFormatError
        The name has another suffix.
    FileExistsError
        It exists and ``overwrite`` is false.
    """
    target = checked_target(path)
    write_nifti(volume.values.transpose(2, 1, 0), volume.affine[:, _REVERSED], target, overwrite=overwrite)
    return target


def write_stack(stack: SliceStack, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a stack's slices as NIfTI, slices along the third axis; its mask and thickness are not in the file."""
    target = checked_target(path)
    write_nifti(stack.images.transpose(2, 1, 0), stack.affine[:, _REVERSED], target, overwrite=overwrite)
    return target


def write_mask(stack: SliceStack, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a stack's mask as NIfTI (uint8) on the grid of the stack."""
    target = checked_target(path)
    values: AnyArray = stack.inside.astype(np.uint8).transpose(2, 1, 0)
    write_nifti(values, stack.affine[:, _REVERSED], target, overwrite=overwrite)
    return target


def read_world_volume(path: str | os.PathLike[str]) -> NiftiVolume:
    """Read a NIfTI volume with its place in space.

    Raises
    ------
    VolumeError
        It states no place in space, or is sheared.
    FileNotFoundError, FileFormatError, OutOfMemoryError
        As `read_stack` does.
    """
    image = read_nifti(Path(path))
    if image.affine is None:
        raise VolumeError(f"{Path(path).name} states no place in space (sform and qform are unset). Set one of them.")
    return NiftiVolume(image.values.transpose(2, 1, 0), image.affine[:, _REVERSED])
