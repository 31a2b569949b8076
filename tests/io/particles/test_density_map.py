import mrcfile
import numpy as np
import pytest

from napari_emgauss.errors import VolumeError
from napari_emgauss.io.particles.density_map import DensityMap, read_map


def test_a_map_keeps_its_values_pixel_size_and_origin(tmp_path):
    values = np.random.default_rng(0).standard_normal((4, 16, 20)).astype(np.float32)
    DensityMap(values, 1.25, (3.0, -2.0, 1.0)).write(tmp_path / "m.mrc")
    found = read_map(tmp_path / "m.mrc")
    assert np.array_equal(found.values, values)
    assert found.pixel_size_angstrom == pytest.approx(1.25)
    assert found.origin_angstrom == pytest.approx((3, -2, 1))
    with mrcfile.open(tmp_path / "m.mrc") as file:
        assert float(file.voxel_size.x) == pytest.approx(1.25)


def test_voxels_that_are_no_cubes_are_refused(tmp_path):
    with mrcfile.new(tmp_path / "m.mrc", np.ones((16, 16, 16), np.float32)) as file:
        file.voxel_size = (2.0, 2.0, 3.0)
    with pytest.raises(VolumeError, match="cubic"):
        read_map(tmp_path / "m.mrc")
