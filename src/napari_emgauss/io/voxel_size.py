"""The voxel size of a stack: the caller's, or as far as its file states it."""

from __future__ import annotations

from typing import Any

from napari_emgauss._types import Triple
from napari_emgauss.errors import VoxelSizeError
from napari_emgauss.io.location import Place
from napari_emgauss.volume import check_voxel_size

PartialTriple = tuple[float | None, float | None, float | None]
"""Voxel size (z, y, x) in nm as far as a file states it."""

UNKNOWN: PartialTriple = (None, None, None)


def resolve_voxel_size(found_nm: PartialTriple, given_nm: Any, *, path: Place, note: str = "") -> Triple:
    """Return the voxel size (z, y, x) in nm: the caller's if given, otherwise the file's.

    Raises
    ------
    VoxelSizeError
        Neither states all three lengths, or the caller's are impossible. Says what was found and what to pass.
    """
    if given_nm is not None:
        return check_voxel_size(given_nm)
    z, y, x = found_nm
    if z is not None and y is not None and x is not None:
        return check_voxel_size((z, y, x))
    known = [f"{axis} = {value:.6g} nm" for axis, value in zip("zyx", found_nm, strict=True) if value is not None]
    missing = [axis for axis, value in zip("zyx", found_nm, strict=True) if value is None]
    found = f"found {', '.join(known)}; {', '.join(missing)} missing" if known else "it states none"
    raise VoxelSizeError(
        f"{path.name} does not say how large its voxels are ({found}{'. ' + note if note else ''}). "
        "Pass it in nm as z y x: --voxel-size-nm 40 4 4 on the command line or voxel_size_nm=(40, 4, 4) in Python."
    )
