"""Something renderable that is no model, and a model."""

import numpy as np
import pytest

import napari_emgauss as eg


class Ramp:
    """A stack whose intensity rises by 30 a section, 1 a row and 2 a column: what any grid must give is known."""

    shape, voxel_size_nm, origin_nm = (5, 48, 40), (48.0, 8.0, 8.0), (500.0, 1250.0, -750.0)
    z_range, record = (0.0, 4.0), {"made": "by hand"}

    def __init__(self, dtype="float32", gain=1.0, offset=0.0, *, has_lines=False):
        self.dtype, self.gain, self.offset, self.has_lines = np.dtype(dtype), gain, offset, has_lines
        self.display_range = (offset, offset + 245 * gain)
        self.drawn = []

    def at(self, z, y, x):
        return np.float32(self.gain * (30 * z + np.add.outer(y, 2 * x)) + self.offset)

    def render(self, z, *, region=None, zoom=1.0):
        self.drawn.append((z, region))
        y0, y1, x0, x1 = region or (0, 48, 0, 40)
        return self.at(z, *(a - 0.5 + (np.arange(round((b - a) * zoom)) + 0.5) / zoom for a, b in ((y0, y1), (x0, x1))))

    def lines(self, zs, *, axis, index):
        if not self.has_lines:
            return None
        return np.stack([self.at(z, np.arange(48.0), np.arange(40.0)).take(index, axis - 1) for z in zs])


@pytest.fixture(scope="package")
def make_ramp():
    return Ramp


@pytest.fixture
def ramp():
    return Ramp()


@pytest.fixture
def small():
    """Of bytes, as most stacks are."""
    return Ramp("uint8")


@pytest.fixture(scope="package")
def long_stack(isotropic):
    """Nine sections, three times coarser along z."""
    return isotropic.every(3)


@pytest.fixture(scope="package")
def placed(stack):
    """A reconstruction that lies somewhere else than at the origin."""
    moved = eg.Volume(stack.data, stack.voxel_size_nm, (500, 1250, -750))
    return eg.reconstruct(moved, newton_steps=3, spacing_px=3.0, adapt_spacing=False)
