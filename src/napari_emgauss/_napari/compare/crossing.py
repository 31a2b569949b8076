"""The place that is looked at: where the section and the two cuts cross."""

from __future__ import annotations

from dataclasses import dataclass, replace

from napari_emgauss.evaluation import held_out_sections
from napari_emgauss.methods.emgauss import Reconstruction

PANES = ("xy", "xz", "yz")
"""Names of the section and of the cuts, in the order of the axes z, y, x that they are taken along."""


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A point of a stack.

    Attributes
    ----------
    z
        Section coordinate.
    y, x
        Row and column in px.
    """

    z: float = 0.0
    y: int = 0
    x: int = 0

    @classmethod
    def first(cls, reconstruction: Reconstruction) -> Crossing:
        """Return the point to begin with: on a held-out section if there is one, else halfway between two."""
        n, height, width = reconstruction.shape
        sections = held_out_sections(reconstruction)
        return cls(z=float(sections[0]) if sections else (n - 1) // 2 + 0.5, y=height // 2, x=width // 2)

    def moved(
        self, shape: tuple[int, int, int], *, z: float | None = None, y: float | None = None, x: float | None = None
    ) -> Crossing:
        """Return the point moved to the given coordinates, within a stack of this shape."""
        n, height, width = shape
        moved = self if z is None else replace(self, z=min(max(float(z), 0.0), float(n - 1)))
        moved = moved if y is None else replace(moved, y=min(max(round(y), 0), height - 1))
        return moved if x is None else replace(moved, x=min(max(round(x), 0), width - 1))

    def index(self, pane: str) -> int:
        """Return the row or column that the cut ``pane`` is taken at."""
        return {"xz": self.y, "yz": self.x}[pane]

    def panes_changed(self, before: Crossing) -> set[str]:
        """Return the panes that show something else than at ``before``."""
        pairs = zip(PANES, (self.z, self.y, self.x), (before.z, before.y, before.x), strict=True)
        return {pane for pane, now, then in pairs if now != then}

    def describe(self, reconstruction: Reconstruction) -> str:
        """Return the depth, and where it is among the sections, in words."""
        depth = f"{self.z * reconstruction.voxel_size_nm[0]:.0f} nm deep"
        nearest = round(self.z)
        if abs(self.z - nearest) > 0.005:
            return f"{depth}: between sections {int(self.z)} and {int(self.z) + 1}"
        if nearest in reconstruction.left_out:
            return f"{depth}: section {nearest}, left out as damaged"
        if nearest in reconstruction.held_out:
            return f"{depth}: section {nearest}, held out of the training"
        return f"{depth}: section {nearest}, trained on"
