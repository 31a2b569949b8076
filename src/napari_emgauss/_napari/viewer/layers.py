"""Translation between volumes and napari's layers: same pixels, same place, same units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss._types import ArrayLike3D, Region, Triple
from napari_emgauss.errors import VolumeError, VoxelSizeError
from napari_emgauss.io.source import LazyStack
from napari_emgauss.units import nm_per_unit
from napari_emgauss.volume import SUPPORTED_DTYPES, Volume, check_stack_shape

KEPT_METADATA = ("napari-emgauss", "attribution")
"""Metadata that a layer keeps when it is saved: it tells where the data is from."""
LayerData = tuple[ArrayLike3D, dict[str, Any], str]


@dataclass(frozen=True)
class LayerPlacement:
    """A stack's place in a viewer: nanometres become world coordinates in the units of its layer.

    Attributes
    ----------
    units
        Names of the world's units, (z, y, x).
    nm_per_unit
        Their lengths in nanometres.
    axis_labels
        Names of the axes, or None.
    """

    units: tuple[str, str, str] = ("nm", "nm", "nm")
    nm_per_unit: Triple = (1.0, 1.0, 1.0)
    axis_labels: tuple[str, ...] | None = None

    @classmethod
    def of(cls, layer: Any) -> LayerPlacement:
        """Return the placement of an image layer (z, y, x).

        Raises
        ------
        VoxelSizeError
            The layer's scale is in pixels or in a unit that is no length.
        """
        z, y, x = (str(unit) for unit in layer.units)
        lengths = (_nanometres(z), _nanometres(y), _nanometres(x))
        labels = tuple(layer.axis_labels)
        return cls((z, y, x), lengths, None if has_default_labels(layer) else labels)

    def attributes(self, voxel_size_nm: Triple, origin_nm: Triple) -> dict[str, Any]:
        """Return layer attributes (scale, translate, units, axis labels) of a grid given in nanometres."""
        attributes: dict[str, Any] = {
            "scale": tuple(v / f for v, f in zip(voxel_size_nm, self.nm_per_unit, strict=True)),
            "translate": tuple(v / f for v, f in zip(origin_nm, self.nm_per_unit, strict=True)),
            "units": self.units,
        }
        if self.axis_labels is not None:
            attributes["axis_labels"] = self.axis_labels
        return attributes


def has_default_labels(layer: Any) -> bool:
    """Tell whether nobody has named the axes: napari counts them then, from '-3' to '-1'."""
    return tuple(layer.axis_labels) == tuple(str(axis) for axis in range(-layer.ndim, 0))


def to_layer(volume: Volume, name: str) -> LayerData:
    """Return the layer data of ``volume`` in nanometres."""
    first = np.asarray(volume.data[0])
    low, high = float(first.min()), float(first.max())
    attributes = {
        "name": name,
        "scale": volume.voxel_size_nm,
        "translate": volume.origin_nm,
        "units": ("nm", "nm", "nm"),
        "axis_labels": ("z", "y", "x"),
        "contrast_limits": (low, high if high > low else low + 1),
        "metadata": dict(volume.metadata),
    }
    return volume.data, attributes, "image"


def stack_of(
    layer: Any, *, voxel_size_nm: Triple | None = None, region: Region | None = None, sections: slice | None = None
) -> Volume:
    """Return the volume of an image layer or of a part of it, read on demand.

    Parameters
    ----------
    layer
        napari image layer; of a multiscale one the finest level is used.
    voxel_size_nm
        Spacing (z, y, x) where the layer's own is in pixels.
    region
        Pixels (y0, y1, x0, x1), half-open.
    sections
        Consecutive sections.

    Raises
    ------
    VolumeError, VoxelSizeError
        As `from_layer`.
    """
    data = layer.data[0] if layer.multiscale else layer.data
    if min(layer.scale) <= 0:
        raise VolumeError(
            f"layer {layer.name!r} is flipped: its scale {tuple(float(s) for s in layer.scale)} must be positive. Flip "
            "its data instead."
        )
    attributes = {
        name: getattr(layer, name) for name in ("rgb", "rotate", "shear", "scale", "translate", "units", "metadata")
    }
    attributes["affine"] = layer.affine.affine_matrix
    if voxel_size_nm is not None:
        # The layer's own unit may be pixels: its position is kept in pixels.
        steps = [t / s for t, s in zip(layer.translate, layer.scale, strict=True)]
        attributes["scale"] = voxel_size_nm
        attributes["translate"] = [n * v for n, v in zip(steps, voxel_size_nm, strict=False)]
        attributes["units"] = ("nm",) * len(voxel_size_nm)
    whole = region is None and sections is None
    if len(data.shape) != 3 or attributes["rgb"] or (whole and np.dtype(data.dtype).name in SUPPORTED_DTYPES):
        return from_layer(data, attributes)
    n_z, height, width = data.shape
    z = range(n_z)[sections or slice(None)]
    y0, y1, x0, x1 = region or (0, height, 0, width)
    origin = [
        t + s * first
        for t, s, first in zip(attributes["translate"], attributes["scale"], (z.start, y0, x0), strict=True)
    ]

    def fetch(zs: slice, ys: slice, xs: slice) -> Any:
        return np.asarray(
            data[
                zs.start + z.start : zs.stop + z.start : zs.step,
                ys.start + y0 : ys.stop + y0 : ys.step,
                xs.start + x0 : xs.stop + x0 : xs.step,
            ]
        )

    part = LazyStack(
        fetch, shape=(len(z), y1 - y0, x1 - x0), stored_dtype=data.dtype, path=Path(layer.name), kind="layer"
    )
    return from_layer(part, {**attributes, "translate": origin})


def check_is_stack(layer: Any) -> None:
    """Raise `VolumeError` where an image layer is no grey-level stack, whatever its voxel size."""
    shape = tuple((layer.data[0] if layer.multiscale else layer.data).shape)
    _check_axes(shape, rgb=layer.rgb)
    check_stack_shape(shape, np.float32)  # other types are converted


def _check_axes(shape: tuple[int, ...], *, rgb: bool) -> None:
    if rgb:
        raise VolumeError(
            "the layer is an RGB image; a grey-level stack (Z, Y, X) is needed. Right-click it in the layer list, take "
            "'Split RGB', and use one of the three."
        )
    if len(shape) != 3:
        raise VolumeError(
            f"the layer has {len(shape)} axes; a stack (Z, Y, X) is needed. "
            + (
                "Pick one channel and time point: right-click it, 'Split Stack'."
                if len(shape) > 3
                else "Open all sections together."
            )
        )


def from_layer(data: Any, attributes: Mapping[str, Any]) -> Volume:
    """Return the volume of an image layer.

    Raises
    ------
    VoxelSizeError
        The layer's scale is in pixels or in a unit that is no length.
    VolumeError
        The layer is no grey-level stack, or is sheared or rotated.
    """
    _check_axes(tuple(data.shape), rgb=bool(attributes.get("rgb")))
    transforms = (
        ("rotate", np.eye(3), "a rotation"),
        ("shear", np.zeros(3), "a shear"),
        ("affine", np.eye(4), "an affine transform"),
    )
    for name, plain, what in transforms:
        if attributes.get(name) is not None and not np.allclose(attributes[name], plain):
            raise VolumeError(f"the layer has {what}, which files here cannot hold. Reset it or resample the layer.")
    factors = [_nanometres(unit) for unit in attributes.get("units") or ("nm",) * 3]
    scale = attributes.get("scale", (1.0, 1.0, 1.0))
    translate = attributes.get("translate", (0.0, 0.0, 0.0))
    size = [float(s) * f for s, f in zip(scale, factors, strict=True)]
    origin = [float(t) * f for t, f in zip(translate, factors, strict=True)]
    metadata = {key: value for key, value in dict(attributes.get("metadata") or {}).items() if key in KEPT_METADATA}
    return Volume(data, (size[0], size[1], size[2]), (origin[0], origin[1], origin[2]), metadata)


def _nanometres(unit: Any) -> float:
    name = str(unit)
    if name in ("pixel", "pixels"):
        raise VoxelSizeError(
            "the layer's scale is in pixels. Set its units, for example layer.units = ('nm', 'nm', 'nm')."
        )
    length = nm_per_unit(name)
    if length is None:
        raise VoxelSizeError(f"the layer's unit {name!r} is not known as a length. Use nm, Å, µm, mm, cm, m or inch.")
    return length


def camera_of(viewer: Any) -> Any:
    """Return the viewer's camera, which moved in napari 0.9."""
    scene = getattr(viewer, "scene", None)
    return viewer.camera if scene is None else scene.camera


def grid_of(viewer: Any) -> Any:
    """Return the viewer's grid of layers, which moved in napari 0.9."""
    canvas = getattr(viewer, "canvas", None)
    return viewer.grid if canvas is None else canvas.grid


def fit_to_view(viewer: Any) -> None:
    """Show all of the layers, in the orientation that they have; napari's name for it changed in 0.7."""
    fit = getattr(viewer, "fit_to_view", viewer.reset_view)
    fit()
