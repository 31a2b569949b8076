"""The pixels of a stack that are compared with a volume, and where they are in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.slices import SliceProfile, SliceStack, WorldGrid
from napari_emgauss.slices.motion import affines


@dataclass(frozen=True, eq=False)
class SlicePixels:
    """Pixels of a stack, slice by slice.

    Parameters
    ----------
    stack
        Whose they are.
    profile
        What each is made of.
    inside
        Which ones (n, h, w); those in the mask by default.
    n_nodes
        Nodes of the profile's quadrature along (slice, row, column).
    """

    stack: SliceStack
    profile: SliceProfile
    inside: AnyArray | None = None
    n_nodes: tuple[int, int, int] = (7, 2, 2)

    @cached_property
    def _listed(self) -> AnyArray:
        return np.argwhere(self.stack.inside if self.inside is None else self.inside)

    @cached_property
    def starts(self) -> AnyArray:
        """Where each slice begins in the list, and where the last one ends (n + 1,)."""
        return np.searchsorted(self._listed[:, 0], np.arange(self.stack.n_slices + 1))

    @cached_property
    def rows(self) -> FloatArray:
        """Row of each pixel."""
        return self._listed[:, 1].astype(np.float32)

    @cached_property
    def columns(self) -> FloatArray:
        """Column of each pixel."""
        return self._listed[:, 2].astype(np.float32)

    @cached_property
    def values(self) -> FloatArray:
        """Intensity of each pixel."""
        s, r, c = self._listed.T
        return np.ascontiguousarray(self.stack.images[s, r, c])

    @property
    def n_pixels(self) -> int:
        """Number of pixels."""
        return len(self._listed)

    @cached_property
    def nodes(self) -> tuple[AnyArray, AnyArray]:
        """Offsets (m, 3) of the profile's nodes in space, mm, as the header has the slices; and their weights."""
        offsets, weights = self.profile.nodes(self.stack.spacing_mm, self.stack.thickness_mm, self.n_nodes)
        return offsets @ self.stack.axes, weights

    def of_slice(self, s: int) -> slice:
        """Return where a slice is in the list."""
        return slice(int(self.starts[s]), int(self.starts[s + 1]))

    def places(self, motion: AnyArray, grid: WorldGrid) -> tuple[AnyArray, AnyArray]:
        """Return places (n, 3, 3) and nodes (n, m, 3) of moved slices in a grid, as the kernels take them."""
        moved = affines(motion, self.stack.pivots)
        to_index = np.linalg.inv(grid.affine)
        whole = to_index @ moved @ self.stack.affine
        places = np.stack(
            [whole[:, :3, 1], whole[:, :3, 2], whole[:, :3, 3] + np.arange(len(whole))[:, None] * whole[:, :3, 0]], -1
        )
        nodes = self.nodes[0] @ (to_index[:3, :3] @ moved[:, :3, :3]).transpose(0, 2, 1)
        return np.ascontiguousarray(places), np.ascontiguousarray(nodes)
