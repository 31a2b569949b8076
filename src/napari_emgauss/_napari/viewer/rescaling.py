"""The voxel size of a layer, and of those drawn on it, without anything moving on the canvas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from napari_emgauss._napari.viewer.layers import camera_of, has_default_labels
from napari_emgauss._types import Triple


def give_voxel_size(viewer: Any, layer: Any, voxel_size_nm: Triple) -> None:
    """Give a stack's layer its voxel size in nanometres; layers on its grid follow, as does the view.

    Parameters
    ----------
    viewer
        The viewer itself, not a proxy.
    layer
        The stack.
    voxel_size_nm
        Spacing (z, y, x).
    """
    followers = [other for other in viewer.layers if other is not layer and on_grid_of(layer, other)]
    factors = np.asarray(voxel_size_nm) / np.asarray(layer.scale)
    with _same_view(viewer, layer, followers):
        for each in (layer, *followers):
            position, n = np.asarray(each.translate), each.ndim
            each.units = ("nm",) * n
            each.scale = np.asarray(each.scale) * factors[-n:]
            each.translate = position * factors[-n:]
            if has_default_labels(each):
                each.axis_labels = ("z", "y", "x")[-n:]
        layer.scale = voxel_size_nm  # to the last digit


def on_grid_of(layer: Any, other: Any) -> bool:
    """Tell whether ``other`` has the pixels of ``layer``: its labels, its image of another kind, or a drawing on it.

    It has the same spacing in the same units along its axes, which may be the last two only, and the same number of
    pixels if it has pixels.
    """
    from napari.layers import Image, Labels

    n = other.ndim
    if n not in (2, 3) or n > layer.ndim or tuple(other.units) != tuple(layer.units[-n:]):
        return False
    if not np.allclose(other.scale, layer.scale[-n:]):
        return False
    return not isinstance(other, Image | Labels) or _shape(other) == _shape(layer)[-n:]


def _shape(layer: Any) -> tuple[int, ...]:
    return tuple((layer.data[0] if layer.multiscale else layer.data).shape)


@contextmanager
def _same_view(viewer: Any, layer: Any, followers: Sequence[Any]) -> Iterator[None]:
    """Keep the pixels of ``layer`` where they are on the canvas while its scale changes, unless other layers stay."""
    if len(viewer.layers) > 1 + len(followers) or viewer.dims.ndim != layer.ndim:
        yield
        return
    camera, dims = camera_of(viewer), viewer.dims
    shown = list(dims.displayed)
    point = np.array(dims.point, float)
    centre = point.copy()
    centre[shown] = camera.center[-len(shown) :]
    point, centre = ((place - layer.translate) / layer.scale for place in (point, centre))
    width_px = layer.scale[-1]
    yield
    point, centre = (pixel * layer.scale + layer.translate for pixel in (point, centre))
    dims.point = tuple(point)
    camera.center = (*camera.center[: -len(shown)], *centre[shown])
    camera.zoom *= width_px / layer.scale[-1]
