"""The viewer's axes and camera in the coordinates of a model."""

from __future__ import annotations

from typing import Any

from napari_emgauss._napari.explore.scrub import Scrubber, Visible
from napari_emgauss._napari.viewer.layers import camera_of
from napari_emgauss._napari.viewer.models import OpenModel
from napari_emgauss._napari.viewer.regions import on_canvas, section_in_view, world_nm


class Viewpoint:
    """Axes and camera of a viewer.

    Parameters
    ----------
    viewer
        The viewer itself, not a proxy.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer

    @property
    def camera(self) -> Any:
        """The viewer's camera."""
        return camera_of(self._viewer)

    @property
    def shows_sections(self) -> bool:
        """Whether the canvas shows xy planes, with z on the slider."""
        dims = self._viewer.dims
        if len(self._viewer.layers) == 0:
            return bool(dims.ndisplay == 2)
        return dims.ndim >= 3 and dims.ndisplay == 2 and set(dims.displayed) == {dims.ndim - 2, dims.ndim - 1}

    def z(self, model: OpenModel) -> float:
        """Return the section coordinate of napari's slider."""
        if self._viewer.dims.ndim < 3:
            return 0.0
        return section_in_view(self._viewer, model.reconstruction, model.placement.nm_per_unit)

    def go_to(self, model: OpenModel, z: float) -> bool:
        """Move napari's slider, which slices at this depth and shows its nearest step; tell whether it moved."""
        dims, rec = self._viewer.dims, model.reconstruction
        depth_nm = rec.origin_nm[0] + z * rec.voxel_size_nm[0]
        if dims.ndim < 3:
            return False
        before = dims.point
        dims.set_point(dims.ndim - 3, depth_nm / world_nm(self._viewer, model.placement.nm_per_unit)[0])
        return bool(dims.point != before)

    def visible(self, scrub: Scrubber) -> Visible | None:
        """Return the part of a section on the canvas, None if nothing is."""
        rec = scrub.model.reconstruction
        if len(self._viewer.layers) == 0:
            return Visible((0, rec.shape[1], 0, rec.shape[2]), 1.0)
        middle, size = on_canvas(self._viewer)
        nm = world_nm(self._viewer, scrub.model.placement.nm_per_unit)[1:]
        pairs = list(zip(nm, rec.origin_nm[1:], rec.voxel_size_nm[1:], strict=True))
        centre = [(c * f - o) / v for c, (f, o, v) in zip(middle, pairs, strict=True)]
        extent = [length * f / v for length, (f, _, v) in zip(size, pairs, strict=True)]
        density = max(self.camera.zoom * v / f for f, _, v in pairs)
        return scrub.visible((centre[0], centre[1]), (extent[0], extent[1]), density)
