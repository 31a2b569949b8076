"""The position of Explore z and what is drawn there: plain state, no Qt."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field, replace
from typing import Any

from napari_emgauss._napari.viewer.models import OpenModel
from napari_emgauss._types import Region
from napari_emgauss.methods.emgauss.drawing.coarse import Merged

WHOLE_PX = 1 << 20
"""Sections up to this size are drawn whole when the slider rests; moving the view then needs no drawing."""
RESTING_PX = 1 << 22
"""Most pixels drawn when it rests: beyond, full resolution would be slow and could not be seen."""
MARGIN = 0.25
"""What is drawn around the visible part at rest, relative to it."""
FRAME_S = 0.035
"""Drawing time above which moving sections are drawn coarser."""
COARSEST = 0.5
"""Least resolution of moving sections, relative to the canvas."""
SAME_Z = 1e-6


@dataclass(frozen=True)
class Drawing:
    """One section, or a part of it, at a resolution."""

    z: float
    region: Region
    zoom: float
    moving: bool = field(default=False, compare=False)

    def attributes(self, model: OpenModel) -> dict[str, Any]:
        """Return layer attributes of this picture as one plane, exactly where its pixels belong.

        Picture pixel j covers section pixels from y0 - 1/2 + j / zoom to y0 - 1/2 + (j + 1) / zoom.
        """
        (dz, dy, dx), (z0, y0, x0) = model.reconstruction.voxel_size_nm, model.reconstruction.origin_nm
        top, _, left, _ = self.region
        half = 0.5 / self.zoom - 0.5
        return model.placement.attributes(
            (dz, dy / self.zoom, dx / self.zoom), (z0 + self.z * dz, y0 + (top + half) * dy, x0 + (left + half) * dx)
        )

    def at(self, z: float) -> Drawing:
        """Return the same at another section coordinate."""
        return replace(self, z=z)


@dataclass(frozen=True)
class Visible:
    """The part of a section on the canvas, and how many canvas pixels a section pixel takes."""

    region: Region
    density: float


class Scrubber:
    """Position on the section axis of one model, and what is to be drawn there."""

    def __init__(self, model: OpenModel, z: float = 0.0) -> None:
        self.model = model
        self.z = self.clip(z)
        self.direction = 1
        self.merged: dict[float, Merged] = {}
        self._detail = 1.0

    @property
    def last(self) -> float:
        """Largest section coordinate."""
        return self.model.reconstruction.z_range[1]

    @property
    def depth_nm(self) -> float:
        """Distance from the first section."""
        return self.z * self.model.reconstruction.voxel_size_nm[0]

    @property
    def depth_text(self) -> str:
        """The depth in nm, or in µm for thick stacks, and how the section there is known."""
        dz = self.model.reconstruction.voxel_size_nm[0]
        depth = f"{self.depth_nm / 1000:.3f} µm" if self.last * dz >= 1e4 else f"{self.depth_nm:.1f} nm"
        return f"Depth {depth}: {'observed section' if self.is_observed else 'reconstructed'}"

    @property
    def is_observed(self) -> bool:
        """Whether it is at a section that was trained on."""
        nearest = round(self.z)
        return abs(self.z - nearest) < SAME_Z and nearest in self.model.reconstruction.observed

    @property
    def plane(self) -> float:
        """Distance between isotropic planes, in sections."""
        dz, dy, dx = self.model.reconstruction.voxel_size_nm
        return min(dy, dx) / dz

    def clip(self, z: float) -> float:
        """Return ``z`` within the stack."""
        return min(max(float(z), 0.0), self.last)

    def next_observed(self, direction: int) -> float:
        """Return the next section that was trained on, in this direction; the end of the stack if there is none."""
        observed = self.model.reconstruction.observed
        if direction > 0:
            i = bisect.bisect_right(observed, self.z + SAME_Z)
            return float(observed[i]) if i < len(observed) else self.last
        i = bisect.bisect_left(observed, self.z - SAME_Z)
        return float(observed[i - 1]) if i > 0 else 0.0

    def next_plane(self, direction: int) -> float:
        """Return the next plane of the isotropic volume in this direction."""
        position = self.z / self.plane
        k = math.floor(position + SAME_Z) + 1 if direction > 0 else math.ceil(position - SAME_Z) - 1
        return self.clip(min(k, math.floor(self.last / self.plane + SAME_Z)) * self.plane)

    def after(self, seconds: float, *, speed: float) -> float:
        """Return the coordinate after playing for some time at ``speed`` sections per second, back and forth."""
        if self.last <= 0:
            return 0.0
        z = self.z + self.direction * speed * seconds
        turns = 0
        while not 0 <= z <= self.last and turns < 100:
            z, turns = (-z if z < 0 else 2 * self.last - z), turns + 1
        self.direction *= (-1) ** turns
        return self.clip(z)

    def visible(self, centre: tuple[float, float], extent: tuple[float, float], density: float) -> Visible | None:
        """Return the part of the section on the canvas, None if nothing is.

        Parameters
        ----------
        centre, extent
            Middle and size (y, x) of the canvas, in section pixels.
        density
            Canvas pixels per section pixel.
        """
        spans = []
        for middle, length, size in zip(centre, extent, self.model.reconstruction.shape[1:], strict=True):
            low = max(math.floor(middle - length / 2 + 0.5), 0)
            high = min(math.ceil(middle + length / 2 + 0.5), size)
            if low >= high:
                return None
            spans.append((low, high))
        return Visible((*spans[0], *spans[1]), density)

    def moving(self, visible: Visible) -> Drawing:
        """Return what to draw while the position changes: the visible part at the resolution of the canvas."""
        return Drawing(self.z, visible.region, min(1.0, visible.density * self._detail), moving=True)

    def resting(self, visible: Visible) -> Drawing:
        """Return what to draw when it has come to rest: sharp, with a margin around the visible part."""
        height, width = self.model.reconstruction.shape[1:]
        if height * width <= WHOLE_PX:
            return Drawing(self.z, (0, height, 0, width), 1.0)
        y0, y1, x0, x1 = visible.region
        dy, dx = math.ceil((y1 - y0) * MARGIN), math.ceil((x1 - x0) * MARGIN)
        region = max(y0 - dy, 0), min(y1 + dy, height), max(x0 - dx, 0), min(x1 + dx, width)
        area = (region[1] - region[0]) * (region[3] - region[2])
        return Drawing(self.z, region, min(1.0, max(visible.density, math.sqrt(RESTING_PX / area))))

    def took(self, drawing: Drawing, seconds: float) -> None:
        """Learn from the time that a moving section took."""
        if not drawing.moving:
            return
        if seconds > FRAME_S:
            self._detail = max(COARSEST, self._detail * 0.8)
        elif seconds < FRAME_S / 2:
            self._detail = min(1.0, self._detail * 1.25)
