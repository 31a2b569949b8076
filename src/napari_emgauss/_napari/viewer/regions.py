"""Regions of a stack that are in view or in a drawn rectangle, whatever units layers and viewer use."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from napari_emgauss._napari.viewer.layers import camera_of
from napari_emgauss._types import Region, Triple
from napari_emgauss.errors import VolumeError
from napari_emgauss.units import nm_per_unit

WHOLE, IN_VIEW, RECTANGLE = REGIONS = ("Whole sections", "Part in view", "Rectangle of a Shapes layer")
"""Choices of a region, in words."""


class Grid(Protocol):
    """A stack's grid: a `Volume` or a `Reconstruction`."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels (z, y, x)."""
        ...

    @property
    def voxel_size_nm(self) -> Triple:
        """Spacing (z, y, x)."""
        ...

    @property
    def origin_nm(self) -> Triple:
        """Centre of voxel (0, 0, 0)."""
        ...


def chosen_region(choice: str, viewer: Any, grid: Grid, nm_per_unit: Triple) -> Region | None:
    """Return the pixels that a choice of `REGIONS` stands for, None for all; see `region_in_view`."""
    find = {IN_VIEW: region_in_view, RECTANGLE: region_of_rectangle}.get(choice)
    return None if find is None else find(viewer, grid, nm_per_unit)


def region_in_view(viewer: Any, grid: Grid, nm_per_unit: Triple) -> Region:
    """Return the pixels that the canvas shows.

    Parameters
    ----------
    viewer
        napari viewer.
    grid
        The stack.
    nm_per_unit
        Nanometres per unit (z, y, x) of its layer, used where the viewer's unit is no length.

    Raises
    ------
    VolumeError
        The viewer does not show xy sections, or none of this stack.
    """
    ndim = viewer.dims.ndim
    displayed = tuple(viewer.dims.displayed)
    if len(displayed) != 2 or set(displayed) != {ndim - 2, ndim - 1}:
        raise VolumeError("'Part in view' needs a view of xy sections. Reset the view, or choose another region.")
    middle, extent = on_canvas(viewer)
    scale = world_nm(viewer, nm_per_unit)[1:]
    low = [(m - e / 2) * s for m, e, s in zip(middle, extent, scale, strict=True)]
    high = [(m + e / 2) * s for m, e, s in zip(middle, extent, scale, strict=True)]
    return _region(low, high, grid, what="view")


def on_canvas(viewer: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return middle and size (y, x), in world units, of what the canvas shows of xy sections, transposed or not."""
    dims, camera, canvas = viewer.dims, camera_of(viewer), getattr(viewer, "canvas", None)
    size = (2048, 2048) if canvas is None else canvas.size
    y, x = (tuple(dims.displayed).index(axis) for axis in (dims.ndim - 2, dims.ndim - 1))
    middle, zoom = camera.center[-2:], camera.zoom
    return (float(middle[y]), float(middle[x])), (size[y] / zoom, size[x] / zoom)


def pixel_in_view(viewer: Any, grid: Grid, nm_per_unit: Triple) -> tuple[float, float] | None:
    """Return the pixel (y, x) in the middle of the canvas, None unless it shows xy sections; see `region_in_view`."""
    dims = viewer.dims
    if dims.ndisplay != 2 or set(dims.displayed) != {dims.ndim - 2, dims.ndim - 1}:
        return None
    middle, nm = on_canvas(viewer)[0], world_nm(viewer, nm_per_unit)[1:]
    steps = zip(middle, nm, grid.origin_nm[1:], grid.voxel_size_nm[1:], strict=True)
    y, x = ((centre * length - origin) / size for centre, length, origin, size in steps)
    return y, x


def section_in_view(viewer: Any, grid: Grid, nm_per_unit: Triple) -> float:
    """Return the section coordinate of the viewer's slider, which may lie outside the stack; see `region_in_view`."""
    depth_nm = float(viewer.dims.point[-3]) * world_nm(viewer, nm_per_unit)[0]
    return (depth_nm - grid.origin_nm[0]) / grid.voxel_size_nm[0]


def look_at(viewer: Any, grid: Grid, nm_per_unit: Triple, at: tuple[float, float, float], *, side_px: int) -> None:
    """Go to a place (section coordinate, y, x), in the orientation that the viewer has.

    A square of ``side_px`` around it takes half of the canvas. For the others see `region_in_view`.
    """
    nm = world_nm(viewer, nm_per_unit)
    world = [(o + i * v) / f for o, i, v, f in zip(grid.origin_nm, at, grid.voxel_size_nm, nm, strict=True)]
    dims, camera, canvas = viewer.dims, camera_of(viewer), getattr(viewer, "canvas", None)
    first = dims.ndim - 3
    for axis, position in enumerate(world):
        dims.set_point(first + axis, position)
    shown = [world[axis - first] for axis in dims.displayed if axis >= first]
    camera.center = (*camera.center[: 3 - len(shown)], *shown)
    size = min((2048, 2048) if canvas is None else canvas.size)
    camera.zoom = size / (2 * side_px * grid.voxel_size_nm[1] / nm[1])


def region_of_rectangle(viewer: Any, grid: Grid, nm_per_unit: Triple) -> Region:
    """Return the pixels that the selected shape, else the newest one, touches; see `region_in_view`.

    Raises
    ------
    VolumeError
        There is no shape, or it misses the stack.
    """
    from napari.layers import Shapes

    drawn = [layer for layer in viewer.layers if isinstance(layer, Shapes) and len(layer.data)]
    if not drawn:
        raise VolumeError("draw a rectangle first: add a Shapes layer and draw around a part of the stack.")
    active = viewer.layers.selection.active
    layer = next((shapes for shapes in drawn if shapes is active), drawn[-1])
    index = min(layer.selected_data) if layer.selected_data else len(layer.data) - 1
    world = np.array([layer.data_to_world(corner)[-2:] for corner in layer.data[index]])
    corners = world * _nm(layer.units if viewer.layers.units is not None else None, nm_per_unit)[1:]
    return _region(list(corners.min(0)), list(corners.max(0)), grid, what="rectangle")


def world_nm(viewer: Any, own: Triple) -> Triple:
    """Return nanometres per unit (z, y, x) of the viewer's world, which is in the finest unit of all layers.

    ``own`` are those of the stack's layer, used where napari does not convert.
    """
    return _nm(viewer.layers.units, own)


def _nm(units: Any, own: Triple) -> Triple:
    if units is None:
        return own
    last_three = [None] * (3 - len(units)) + list(units)[-3:]
    z, y, x = (nm_per_unit(str(unit)) or fallback for unit, fallback in zip(last_three, own, strict=True))
    return z, y, x


def _region(low_nm: list[float], high_nm: list[float], grid: Grid, *, what: str) -> Region:
    """Return all pixels that the box touches; a pixel reaches half its size around its centre."""
    edges: list[int] = []
    for axis in (1, 2):
        origin, size, n = grid.origin_nm[axis], grid.voxel_size_nm[axis], grid.shape[axis]
        first = math.floor((low_nm[axis - 1] - origin) / size + 0.5)
        stop = math.ceil((high_nm[axis - 1] - origin) / size - 0.5) + 1
        edges += [max(first, 0), min(stop, n)]
        if edges[-2] >= edges[-1]:
            raise VolumeError(f"the {what} lies outside this stack. Move it over the stack, or choose another region.")
    return edges[0], edges[1], edges[2], edges[3]
