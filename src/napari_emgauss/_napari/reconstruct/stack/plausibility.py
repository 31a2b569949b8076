"""Voxel sizes that cannot be meant, and what was probably meant."""

from __future__ import annotations

from napari_emgauss._types import Triple

ATOMS_NM = 0.1
"""No section was ever recorded with smaller pixels."""
THINNEST_NM = 3.0
"""No section was ever cut thinner. Voxels of tomograms are smaller, and as large in all directions."""
MOST_ANISOTROPY = 40.0
MOST_OBLONG = 2.0


def doubt(voxel_size_nm: Triple) -> str:
    """Return a question about a voxel size (z, y, x) that can hardly be right; empty where it can."""
    dz, dy, dx = voxel_size_nm
    as_typed = f"{dz:g} × {dy:g} × {dx:g} nm"
    meant = " × ".join(f"{1000 * size:g}" for size in voxel_size_nm)
    if min(dy, dx) < ATOMS_NM:
        return f"{as_typed} is smaller than atoms are. Was it typed in µm? Then it is {meant} nm."
    if max(dy, dx) > MOST_OBLONG * min(dy, dx):
        return f"Pixels of {dy:g} × {dx:g} nm? They are square as a rule. The order is z, y, x, and all are in nm."
    if dz < min(dy, dx):
        return (
            f"Sections that are {dz:g} nm apart, with pixels of {dy:g} × {dx:g} nm? z is the distance between "
            "sections, and larger. Were the fields mixed up?"
        )
    if dz < THINNEST_NM and dz > MOST_OBLONG * min(dy, dx):
        return f"Sections of {dz:g} nm are thinner than any that were cut. Was it typed in µm? Then it is {meant} nm."
    if dz > MOST_ANISOTROPY * min(dy, dx):
        return f"{as_typed}: are sections really {dz / min(dy, dx):.0f} times as far apart as pixels? Enter all in nm."
    return ""
