"""The real stacks beside the project."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_emgauss.errors import VoxelSizeError
from napari_emgauss.io import read, write

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
STACKS = {
    "fib25_sample2.tif": ((250, 250, 250), (8, 8, 8)),
    "epfl_ca1_crop.tif": ((151, 256, 256), (5, 5, 5)),
    "vnc_sstem_crop.tif": ((30, 256, 256), (50, 4, 4)),
}


@pytest.mark.parametrize("name", STACKS)
def test_a_real_stack_is_read_and_written(tmp_path, name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not beside the project")
    shape, voxel = STACKS[name]
    with pytest.raises(VoxelSizeError, match="--voxel-size-nm"):  # none of them states its voxel size
        read(path)
    volume = read(path, voxel_size_nm=voxel)
    assert (volume.shape, volume.dtype, volume.voxel_size_nm) == (shape, np.uint8, voxel)
    np.testing.assert_array_equal(volume.section(7), tifffile.imread(path, key=7))
    for suffix in (".tif", ".ome.zarr", ".mrc"):
        back = read(write(volume, tmp_path / f"copy{suffix}"))
        np.testing.assert_allclose(back.voxel_size_nm, voxel, rtol=1e-6)
        np.testing.assert_array_equal(np.asarray(back.data), volume.data)
