"""Three orthogonal planes of a volume, as radiologists have them."""

from __future__ import annotations

import numpy as np

from napari_emgauss._napari.controls.pictures import TitledImage
from napari_emgauss._types import AnyArray, FloatArray
from napari_emgauss.slices import SliceStack, WorldVolume
from napari_emgauss.slices.affine import spacing_of

MARGIN_PX = 3


def orthogonal_planes(volume: WorldVolume, point_mm: AnyArray | None) -> list[TitledImage]:
    """Return the axial, coronal and sagittal planes of a volume along the world's axes that meet at a point.

    Parameters
    ----------
    volume
        Its axes are the world's z, y and x.
    point_mm
        (x, y, z); the volume's middle where it is None, and the nearest plane where it is outside.
    """
    values, last = volume.values, np.array(volume.values.shape) - 1
    at = last / 2 if point_mm is None else volume.grid.indices(point_mm)
    z, y, x = np.clip(np.rint(at), 0, last).astype(int)
    depth, height, width = np.array(values.shape) * volume.spacing_mm
    # From above down, from the front to the back, and the patient's right on the left: all axes end where they begin.
    return [
        TitledImage(title="Axial", image=values[z, ::-1, ::-1], size=(height, width)),
        TitledImage(title="Coronal", image=values[::-1, y, ::-1], size=(depth, width)),
        TitledImage(title="Sagittal", image=values[::-1, ::-1, x], size=(depth, height)),
    ]


def upright(title: str, image: FloatArray, affine: AnyArray) -> TitledImage:
    """Return a slice (row, column) turned and flipped so that it is as in the planes.

    Parameters
    ----------
    title
        What it is called.
    image
        Pixels.
    affine
        4 × 4; maps (slice, row, column) to RAS millimetres.
    """
    # Where the axes of a slice point along z, y and x; down, to the back and to the left are towards smaller values.
    along, spacing = -affine[2::-1, :3], spacing_of(affine)
    normal = int(np.argmax(np.abs(along[:, 0])))
    down, right = (axis for axis in range(3) if axis != normal)
    row, column = along[:, 1], along[:, 2]
    height, width = np.array(image.shape) * spacing[1:]
    if abs(row[right]) + abs(column[down]) > abs(row[down]) + abs(column[right]):
        image, row, column, height, width = image.T, column, row, width, height
    image = image[:: -1 if row[down] < 0 else 1, :: -1 if column[right] < 0 else 1]
    return TitledImage(title=title, image=image, size=(float(height), float(width)))


def window_of(stack: SliceStack) -> tuple[slice, slice]:
    """Return the rows and columns of a stack in which its mask is, and a margin."""
    return _extent(stack.inside.any((0, 2))), _extent(stack.inside.any((0, 1)))


def _extent(some: AnyArray | np.bool) -> slice:
    within = np.flatnonzero(some)
    return slice(max(int(within[0]) - MARGIN_PX, 0), int(within[-1]) + MARGIN_PX + 1)
