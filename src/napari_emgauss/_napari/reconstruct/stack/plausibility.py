"""Voxel sizes that cannot be meant, and what was probably meant."""

from __future__ import annotations

from napari_emgauss._types import Triple

ATOMS_NM = 0.1
"""No section was ever recorded with smaller pixels."""
MOST_ANISOTROPY = 40.0


def doubt(voxel_size_nm: Triple) -> str:
    """Return a question about a voxel size (z, y, x) that can hardly be right; empty where it can."""
    dz, dy, dx = voxel_size_nm
    as_typed = f"{dz:g} × {dy:g} × {dx:g} nm"
    if min(dy, dx) < ATOMS_NM:
        meant = " × ".join(f"{1000 * size:g}" for size in voxel_size_nm)
        return f"{as_typed} is smaller than atoms are. Was it typed in µm? Then it is {meant} nm."
    if dz < min(dy, dx):
        return (
            f"Sections that are {dz:g} nm apart, with pixels of {dy:g} × {dx:g} nm? z is the distance between "
            "sections, and larger. Were the fields mixed up?"
        )
    if dz > MOST_ANISOTROPY * min(dy, dx):
        return f"{as_typed}: are sections really {dz / min(dy, dx):.0f} times as far apart as pixels? Enter all in nm."
    return ""
