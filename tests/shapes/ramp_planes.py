"""Planes that worker processes draw in a test: quick to import, and one kind kills its worker."""

import os
import signal

import numpy as np

from napari_emgauss.resampling.planes import Planes


class _Ramp:
    shape, voxel_size_nm, origin_nm, dtype = (5, 48, 40), (48.0, 8.0, 8.0), (0.0, 0.0, 0.0), np.dtype("uint8")
    z_range, record, display_range = (0.0, 4.0), {}, (0.0, 245.0)

    def render(self, z, *, region=None, zoom=1.0):
        y0, y1, x0, x1 = region or (0, 48, 0, 40)
        return np.float32(30 * z + np.add.outer(np.arange(y0, y1), 2 * np.arange(x0, x1)))


def ramp_planes() -> Planes:
    return Planes(_Ramp())


def deadly_planes(parent: int) -> Planes:
    """Return planes that end every process but ``parent`` as soon as they are drawn."""
    planes = ramp_planes()
    if os.getpid() != parent:
        planes.box = lambda *ranges: os.kill(os.getpid(), signal.SIGKILL)
    return planes
