"""Images of an evaluation's figure."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_emgauss._types import FloatArray
from napari_emgauss.evaluation.scoring import PlaneBuffer

VIEW_SIDE_PX = 256


@dataclass(frozen=True, eq=False, kw_only=True)
class FigureView:
    """Section and xz plane of the truth or of one method, on [0, 1] intensities, around the middle."""

    name: str
    z_voxel: int
    y_voxel: int
    section: FloatArray = field(repr=False)
    """At most `VIEW_SIDE_PX` high and wide."""
    xz: FloatArray = field(repr=False)

    @classmethod
    def of(cls, name: str, section: FloatArray, z_voxel: int, planes: PlaneBuffer) -> FigureView:
        """Return the view of a whole section (Y, X), the ``z_voxel``-th of the volume, and of the middle xz plane."""
        middle = planes.y_indices.size // 2
        rows, columns, depth = (
            slice(max((size - VIEW_SIDE_PX) // 2, 0), (size + VIEW_SIDE_PX + 1) // 2)
            for size in (*section.shape, planes.xz.shape[1])
        )
        return cls(
            name=name,
            z_voxel=z_voxel,
            y_voxel=int(planes.y_indices[middle]),
            section=section[rows, columns].copy(),
            xz=planes.xz[middle, depth, columns].copy(),
        )
