"""Lengths in nanometres, whatever unit a file states, and the one rule that settles a stack's voxel size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from napari_emgauss._types import Triple
from napari_emgauss.errors import VoxelSizeError
from napari_emgauss.volume import check_voxel_size

PartialTriple = tuple[float | None, float | None, float | None]
"""Voxel size (z, y, x) in nm as far as a file states it."""

UNKNOWN: PartialTriple = (None, None, None)

_NM: dict[str, float] = {}
for _names, _value in (
    ("pm picometer picometers picometre picometres", 1e-3),
    ("å angstrom angstroms angstroem ångström ångströms ångstrom a", 0.1),
    ("nm nanometer nanometers nanometre nanometres", 1.0),
    ("μm um μ micron microns micrometer micrometers micrometre micrometres", 1e3),
    ("mm millimeter millimeters millimetre millimetres", 1e6),
    ("cm centimeter centimeters centimetre centimetres", 1e7),
    ('in inch inches "', 2.54e7),
    ("m meter meters metre metres", 1e9),
):
    _NM.update(dict.fromkeys(_names.split(), _value))


def nm_per_unit(unit: Any) -> float | None:
    r"""Nanometres in one ``unit``, or None for an unknown one.

    Both code points of μ and of Å are understood, and ImageJ's escaped ``\u00B5m``.
    """
    if not isinstance(unit, str):
        return None
    for escaped, sign in (("\\u00b5", "μ"), ("\\u03bc", "μ"), ("\\u00c5", "å"), ("\\u212b", "å")):
        unit = unit.replace(escaped, sign).replace(escaped.upper().replace("\\U", "\\u"), sign)
    # U+00B5 MICRO SIGN and U+212B ANGSTROM SIGN look like the Greek and Swedish letters but differ from them.
    return _NM.get(unit.strip().lower().replace("\u00b5", "\u03bc").replace("\u212b", "å"))


def length_nm(value: Any, unit: Any) -> float | None:
    """``value`` in ``unit`` as nanometres; None unless both are known and the length is positive and finite."""
    scale = nm_per_unit(unit)
    try:
        length = float(value) * scale if scale is not None else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    return length if math.isfinite(length) and length > 0 else None


def resolve_voxel_size(found_nm: PartialTriple, given_nm: Any, *, path: Path, note: str = "") -> Triple:
    """Voxel size (z, y, x) in nm: the caller's if given, otherwise the file's.

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
