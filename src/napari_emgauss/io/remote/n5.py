"""N5: which array of a container is meant, and how large its voxels are, as the programs that write it say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_emgauss._types import Triple
from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.guard import json_object
from napari_emgauss.io.voxel_size import UNKNOWN, PartialTriple
from napari_emgauss.units import length_nm, nm_per_unit

ATTRIBUTES = "attributes.json"
_FINEST = "s0"


def is_n5(path: Path) -> bool:
    """Return whether the folder ``path`` is an N5 container, or a dataset within one."""
    return path.suffix.lower() == ".n5" or (path / ATTRIBUTES).is_file()


def finest_array(url: str, attributes: Mapping[str, Any], finest: Mapping[str, Any] | None) -> str:
    """Return the name of the array that a folder is, or has as its finest level.

    Raises
    ------
    FileFormatError
        It is neither; the dataset has to be named.
    """
    if "dimensions" in attributes:
        return ""
    if finest is not None and "dimensions" in finest:
        return _FINEST
    raise FileFormatError(
        f"{url} is a container of N5, and no dataset of it. Name one: append it to the address, or --dataset em/s0."
    )


def place_in_space(array: Mapping[str, Any], group: Mapping[str, Any]) -> tuple[PartialTriple, Triple]:
    """Return the voxel size and origin (z, y, x) in nm, from the array's attributes or its group's.

    Known are ``transform`` (OpenOrganelle; axes are named), ``pixelResolution`` (BigDataViewer, with a unit) and
    ``resolution`` with ``offset`` (Paintera, nm); the last two are x, y, z. A group's is that of its finest level.
    """
    for attributes, steps in ((array, None), (group, array.get("downsamplingFactors"))):
        found = _transform(attributes) if attributes is array else None
        found = found or _resolution(attributes, steps)
        if found is not None:
            return found
    return UNKNOWN, (0.0, 0.0, 0.0)


def _transform(attributes: Mapping[str, Any]) -> tuple[PartialTriple, Triple] | None:
    transform = json_object(attributes.get("transform"))
    axes, units = transform.get("axes"), transform.get("units")
    scale, shift = _three(transform.get("scale")), _three(transform.get("translate", (0, 0, 0)))
    if not isinstance(axes, Sequence) or sorted(map(str, axes)) != ["x", "y", "z"] or scale is None or shift is None:
        return None
    if not isinstance(units, Sequence) or len(units) != 3:
        return None
    order = [list(axes).index(axis) for axis in "zyx"]
    z, y, x = (length_nm(scale[i], units[i]) for i in order)
    oz, oy, ox = (shift[i] * (nm_per_unit(units[i]) or 0.0) for i in order)
    return (z, y, x), (oz, oy, ox)


def _resolution(attributes: Mapping[str, Any], steps: Any) -> tuple[PartialTriple, Triple] | None:
    pixel = attributes.get("pixelResolution")
    size, unit = pixel, "nm"
    if isinstance(pixel, Mapping):
        size, unit = pixel.get("dimensions"), str(pixel.get("unit", "nm"))
    lengths = _three(size) or _three(attributes.get("resolution"))
    if lengths is None:
        return None
    factors, offset = _three(steps) or (1.0, 1.0, 1.0), _three(attributes.get("offset")) or (0.0, 0.0, 0.0)
    x, y, z = (length_nm(length * factor, unit) for length, factor in zip(lengths, factors, strict=True))
    return (z, y, x), (offset[2], offset[1], offset[0])


def _three(values: Any) -> tuple[float, float, float] | None:
    """Return three finite numbers, None for anything else."""
    try:
        a, b, c = (float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return (a, b, c) if all(map(math.isfinite, (a, b, c))) else None
