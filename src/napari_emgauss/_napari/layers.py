"""Between volumes and napari's layers: same pixels, same place, same units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_emgauss._types import ArrayLike3D
from napari_emgauss.errors import VolumeError, VoxelSizeError
from napari_emgauss.volume import Volume

LayerData = tuple[ArrayLike3D, dict[str, Any], str]
UNIT_NM = {
    "nm": 1.0,
    "nanometer": 1.0,
    "um": 1e3,
    "µm": 1e3,
    "micrometer": 1e3,
    "micron": 1e3,
    "angstrom": 0.1,
    "Å": 0.1,
    "mm": 1e6,
    "millimeter": 1e6,
}


def to_layer(volume: Volume, name: str) -> LayerData:
    """Layer data of ``volume`` in nanometres."""
    first = np.asarray(volume.data[0])
    low, high = float(first.min()), float(first.max())
    attributes = {
        "name": name,
        "scale": volume.voxel_size_nm,
        "translate": volume.origin_nm,
        "units": ("nm", "nm", "nm"),
        "contrast_limits": (low, high if high > low else low + 1),
        "metadata": dict(volume.metadata),
    }
    return volume.data, attributes, "image"


def from_layer(data: Any, attributes: Mapping[str, Any]) -> Volume:
    """Volume of an image layer.

    Raises
    ------
    VoxelSizeError
        The layer's scale is in pixels or in a unit that is no length.
    VolumeError
        The layer is no grey-level stack, or is sheared or rotated.
    """
    if attributes.get("rgb"):
        raise VolumeError("the layer is an RGB image; a grey-level stack (Z, Y, X) is needed. Convert it to grey.")
    if len(data.shape) != 3:
        raise VolumeError(
            f"the layer has {len(data.shape)} axes; a stack (Z, Y, X) is needed. Pick one channel and time point."
        )
    for name, plain in (("rotate", np.eye(3)), ("shear", np.zeros(3)), ("affine", np.eye(4))):
        if attributes.get(name) is not None and not np.allclose(attributes[name], plain):
            raise VolumeError(
                f"the layer has a {name} transform, which files here cannot hold. Reset it or resample the layer."
            )
    factors = [_nanometres(unit) for unit in attributes.get("units") or ("nm",) * 3]
    scale = attributes.get("scale", (1.0, 1.0, 1.0))
    translate = attributes.get("translate", (0.0, 0.0, 0.0))
    size = [float(s) * f for s, f in zip(scale, factors, strict=True)]
    origin = [float(t) * f for t, f in zip(translate, factors, strict=True)]
    metadata = {key: value for key, value in dict(attributes.get("metadata") or {}).items() if key == "napari-emgauss"}
    return Volume(data, (size[0], size[1], size[2]), (origin[0], origin[1], origin[2]), metadata)


def _nanometres(unit: Any) -> float:
    name = str(unit)
    if name in ("pixel", "pixels"):
        raise VoxelSizeError(
            "the layer's scale is in pixels. Set its units, for example layer.units = ('nm', 'nm', 'nm')."
        )
    if name not in UNIT_NM:
        raise VoxelSizeError(f"the layer's unit {name!r} is not known as a length. Use one of {', '.join(UNIT_NM)}.")
    return UNIT_NM[name]
