"""What an OME-Zarr says of itself: its levels, axes and place, as plain JSON; and whether it is whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_emgauss._types import Triple
from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io.guard import json_object
from napari_emgauss.io.location import Place
from napari_emgauss.io.ome_zarr.pyramid import LevelSpec
from napari_emgauss.io.voxel_size import PartialTriple
from napari_emgauss.units import length_nm, nm_per_unit

KEY = "napari-emgauss"
"""Attribute with what this program says of a volume."""
UNFINISHED = "unfinished"
"""Entry of it while a volume is being filled."""


def image_attributes(name: str, levels: Sequence[LevelSpec], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of an OME-Zarr 0.5 image of these levels."""
    datasets = [
        {
            "path": str(index),
            "coordinateTransformations": [
                {"type": "scale", "scale": list(level.voxel_size_nm)},
                {"type": "translation", "translation": list(level.origin_nm)},
            ],
        }
        for index, level in enumerate(levels)
    ]
    axes = [{"name": axis, "type": "space", "unit": "nanometer"} for axis in "zyx"]
    image = {"name": name.partition(".")[0], "axes": axes, "datasets": datasets, "type": "mean"}
    return {"ome": {"version": "0.5", "multiscales": [image]}, KEY: {"metadata": dict(metadata)}}


def check_whole(path: Place, attributes: Mapping[str, Any]) -> None:
    """Raise `FileFormatError` if the volume is still being filled."""
    if UNFINISHED in json_object(attributes.get(KEY)):
        raise FileFormatError(
            f"{path} is not whole: it is being written, or its writing was interrupted. Give the command that writes "
            "it again; it goes on where it ended."
        )


def multiscales(path: Place, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the first image that ``attributes`` describe."""
    images = json_object(attributes.get("ome")).get("multiscales") or attributes.get("multiscales")
    if images:
        return dict(images[0])
    inner = "bioformats2raw.layout" in {**attributes, **json_object(attributes.get("ome"))}
    raise FileFormatError(
        f"{path} has no OME-Zarr image at its top (no multiscales in zarr.json or .zattrs). "
        + (f"Pass an image inside it, for example {path}/0." if inner else "Pass the folder of the image itself.")
    )


def axes_of(image: dict[str, Any], path: Place) -> list[dict[str, Any]]:
    """Return the axes that an image declares."""
    axes = image.get("axes")
    if not isinstance(axes, list) or not all(isinstance(a, dict) and "name" in a for a in axes):
        raise FileFormatError(
            f"{path} has version {image.get('version', 'unknown')} of OME-Zarr; 0.4 and 0.5 are read. Convert it."
        )
    return axes


def stack_axes(axes: list[dict[str, Any]], shape: tuple[int, ...], path: Place) -> list[int]:
    """Return which axes are z, y and x; nothing else may be longer than 1."""
    names = [str(a["name"]).lower() for a in axes]
    extra = [f"{n}: {size}" for n, size in zip(names, shape, strict=True) if n not in ("z", "y", "x") and size != 1]
    kept = [i for i, name in enumerate(names) if name in ("z", "y", "x")]
    if extra or [names[i] for i in kept] != ["z", "y", "x"]:
        raise VolumeError(
            f"{path} has axes {', '.join(names)} of shape {shape}; expected one grey-level stack z, y, x "
            "with nothing else longer than 1. Pick one channel and time point."
        )
    return kept


def geometry(axes: list[dict[str, Any]], kept: list[int], transformed: list[Any]) -> tuple[PartialTriple, Triple]:
    """Return voxel size and origin after the level's and then the whole image's transformations."""
    scale, shift = np.ones(len(axes)), np.zeros(len(axes))
    for owner in transformed:
        for step in json_object(owner).get("coordinateTransformations") or []:
            kind = step.get("type")
            if kind in ("scale", "translation") and kind not in step:
                raise ValueError(f"its {kind} is not given in place")
            values = np.asarray(step.get(kind, 0.0), np.float64)
            if kind == "scale":
                scale, shift = scale * values, shift * values
            elif kind == "translation":
                shift = shift + values
    z, y, x = (length_nm(scale[i], axes[i].get("unit")) for i in kept)
    places = [float(shift[i]) * (nm_per_unit(axes[i].get("unit")) or 0.0) for i in kept]
    if not np.isfinite(places).all():
        raise ValueError(f"its origin {places} is not finite")
    return (z, y, x), (places[0], places[1], places[2])
