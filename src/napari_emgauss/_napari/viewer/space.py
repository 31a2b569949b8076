"""Where layers lie in the patient's world.

NIfTI and the library have RAS millimetres: x to the right, y to the front, z up. The point (x, y, z) is at (−z, −y, −x)
in napari, where the first axis is scrolled through, the second points down and the third to the right. So the three 2D
views are upright and as radiologists have them (the patient's right is on the left), and the 3D view is no mirror
image. This is the only place that knows of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_emgauss._napari.viewer.layers import LayerData, LayerPlacement
from napari_emgauss._types import AnyArray
from napari_emgauss.errors import VolumeError, VoxelSizeError
from napari_emgauss.io.stacks import NIFTI_SUFFIXES, read_nifti_stack, stated_thickness
from napari_emgauss.slices import SliceStack, WorldVolume
from napari_emgauss.slices.affine import check_affine, spacing_of
from napari_emgauss.slices.arrays import along_world, slice_axis_of, stack_of_array
from napari_emgauss.units import nm_per_unit

NM_PER_MM = 1e6
UNITS = ("mm", "mm", "mm")
SLICES = "slices"
"""Key of a layer's metadata: what is known of the slices beyond the array and its place."""
_TO_NAPARI = np.array([[0.0, 0, -1, 0], [0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]])
"""Its own inverse."""
MASK_OPACITY = 0.4
_CONTRAST_PERCENT = (1.0, 99.5)


@dataclass(frozen=True, eq=False)
class LayerInSpace:
    """What a layer says of an image and its place; taken in the GUI thread, used in any.

    Attributes
    ----------
    data
        The array, three axes, perhaps not in memory.
    affine
        4 × 4; maps an index of it to RAS millimetres.
    name
        Of the layer.
    states_unit
        Whether the layer says what its scale is in; else it is taken to be millimetres.
    stack_axes
        Its axes that are (slice, row, column), if its reader has told.
    thickness_mm
        Of its slices, if it is known.
    path
        File that it was read from, if its reader has told.
    """

    data: Any
    affine: AnyArray
    name: str
    states_unit: bool = True
    stack_axes: tuple[int, int, int] | None = None
    thickness_mm: float | None = None
    path: str | None = None

    @classmethod
    def of(cls, layer: Any) -> LayerInSpace:
        """Return what an image or labels layer says.

        Raises
        ------
        VolumeError
            It has not three axes, has colours, is sheared, or its size is not known.
        """
        data = layer.data[0] if layer.multiscale else layer.data
        if getattr(layer, "rgb", False) or len(data.shape) != 3:
            raise VolumeError(
                f"{layer.name}: a grey-level image with three axes is needed, got the shape {tuple(data.shape)}. "
                "Pick one channel and time point."
            )
        states_unit = True
        try:
            mm_per_unit = np.array(LayerPlacement.of(layer).nm_per_unit) / NM_PER_MM
        except VoxelSizeError:
            if {str(unit) for unit in layer.units} - {"pixel"}:
                raise
            states_unit, mm_per_unit = False, np.ones(3)
        corner = np.array(layer.data_to_world((0, 0, 0)))
        steps = [np.array(layer.data_to_world(step)) - corner for step in np.eye(3)]
        world = np.eye(4)
        world[:3] = np.stack([*steps, corner], 1) * mm_per_unit[:, None]
        if not states_unit and np.allclose(np.abs(world[:3, :3]), np.eye(3)):
            raise VoxelSizeError(
                f"{layer.name}: the size of its voxels is not known. Open the NIfTI file itself, or set the layer's "
                "scale in millimetres."
            )
        told = dict(layer.metadata.get(SLICES) or {})
        return cls(
            data=data,
            affine=check_affine(_TO_NAPARI @ world, layer.name),
            name=str(layer.name),
            states_unit=states_unit,
            stack_axes=told.get("axes"),
            thickness_mm=told.get("thickness_mm"),
            path=told.get("path"),
        )

    def same_grid(self, other: LayerInSpace) -> bool:
        """Whether its voxels are those of ``other``."""
        near = np.abs(self.affine - other.affine).max() < 1e-3
        return bool(tuple(self.data.shape) == tuple(other.data.shape) and near)

    @property
    def axes(self) -> tuple[int, int, int]:
        """Its axes that are (slice, row, column), told or found."""
        if self.stack_axes is not None:
            return self.stack_axes
        first = slice_axis_of(self.data.shape, spacing_of(self.affine))
        second, third = sorted({0, 1, 2} - {first})
        return first, second, third

    def stack(self, thickness_mm: float) -> SliceStack:
        """Return its slices, read into memory; raises `VolumeError`."""
        return stack_of_array(
            np.asarray(self.data), self.affine, axes=self.axes, thickness_mm=thickness_mm, name=self.name
        )


def to_napari(points_mm: AnyArray) -> AnyArray:
    """Return where points (…, 3) in RAS millimetres are in napari's world."""
    return np.asarray(points_mm @ _TO_NAPARI[:3, :3].T)


def from_napari(points: AnyArray) -> AnyArray:
    """Return where points (…, 3) of napari's world, in millimetres, are in RAS millimetres."""
    return to_napari(points)


def point_in_view(viewer: Any) -> AnyArray | None:
    """Return the point (3,) that the sliders of a viewer stand at, in RAS millimetres; None without three axes."""
    if viewer.dims.ndim < 3:
        return None
    return from_napari(np.array(viewer.dims.point[-3:]) * _mm_per_unit(viewer))


def look_at(viewer: Any, point_mm: AnyArray) -> None:
    """Put the sliders of a viewer at a point (3,) in RAS millimetres."""
    if viewer.dims.ndim >= 3:
        viewer.dims.point = (*viewer.dims.point[:-3], *(to_napari(point_mm) / _mm_per_unit(viewer)))


def _mm_per_unit(viewer: Any) -> AnyArray:
    """Lengths of the units of the viewer's world; pixels are taken for millimetres."""
    return np.array([nm_per_unit(str(unit)) or NM_PER_MM for unit in viewer.layers.extent.units[-3:]]) / NM_PER_MM


def place_of(affine: AnyArray) -> dict[str, Any]:
    """Return the layer attributes of an array whose indices ``affine`` maps to RAS millimetres."""
    return {"affine": _TO_NAPARI @ affine, "units": UNITS, "axis_labels": ("z", "y", "x")}


def volume_to_layer(volume: WorldVolume, name: str) -> LayerData:
    """Return the layer data of a volume in world space."""
    order = along_world(volume.affine)
    values = volume.values.transpose(order)
    return values, _attributes(values, volume.affine[:, [*order, 3]], name), "image"


def stack_to_layers(stack: SliceStack, *, thickness_mm: float | None) -> list[LayerData]:
    """Return the layer data of a stack, and of its mask if it has one.

    Its array is as it lies in space, so that stacks of different orientations overlay each other in the 2D views.

    Parameters
    ----------
    stack
        Slices in space.
    thickness_mm
        Of a slice; None if it is not known.
    """
    order = along_world(stack.affine)
    affine, images = stack.affine[:, [*order, 3]], stack.images.transpose(order)
    axes = (order.index(0), order.index(1), order.index(2))
    told = {SLICES: {"axes": axes, "thickness_mm": thickness_mm}}
    layers: list[LayerData] = [(images, _attributes(images, affine, stack.name) | {"metadata": told}, "image")]
    if stack.mask is not None:
        mask, attributes, kind = _mask_layer(stack, stack.mask, f"{stack.name} mask")
        layers.append((mask, attributes | {"visible": False}, kind))
    return layers


def read_nifti_layers(path: Path) -> list[LayerData]:
    """Return a NIfTI file as a layer: a mask, which holds zeros and ones only, as labels, all else as an image.

    Raises
    ------
    FileFormatError, VolumeError, OutOfMemoryError
        As `napari_emgauss.read_stack` does.
    """
    stack = read_nifti_stack(path)
    name = path.name
    for suffix in NIFTI_SUFFIXES:
        name = name.removesuffix(suffix)
    stack = replace(stack, name=name)
    if np.isin(stack.images, (0, 1)).all():
        return [_mask_layer(stack, stack.images, name)]
    layers = stack_to_layers(stack, thickness_mm=stated_thickness(path))
    layers[0][1]["metadata"][SLICES]["path"] = str(path)
    return layers


def _mask_layer(stack: SliceStack, mask: AnyArray, name: str) -> LayerData:
    order = along_world(stack.affine)
    attributes = {"name": name, "opacity": MASK_OPACITY, **place_of(stack.affine[:, [*order, 3]])}
    return mask.transpose(order).astype(np.uint8), attributes, "labels"


def _attributes(values: AnyArray, affine: AnyArray, name: str) -> dict[str, Any]:
    low, high = (float(v) for v in np.percentile(values, _CONTRAST_PERCENT))
    limits = (low, high if high > low else low + 1)
    return {"name": name, "contrast_limits": limits, **place_of(affine)}
