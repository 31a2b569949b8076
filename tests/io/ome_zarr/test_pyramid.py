"""Coarser levels show the same place with fewer voxels, each the mean of those it covers."""

import numpy as np
import pytest
import zarr

from napari_emgauss.io import write
from napari_emgauss.io.ome_zarr.pyramid import average_xy, plan_levels
from napari_emgauss.volume import Volume


@pytest.mark.parametrize(("voxel", "shape"), [((4, 4, 4), (65, 301, 270)), ((40, 4, 4), (9, 130, 515))])
def test_every_zarr_level_shows_the_same_place(tmp_path, voxel, shape):
    z, y, x = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij")
    ramp = z * voxel[0] + 2 * y * voxel[1] - x * voxel[2]  # an average over a voxel is the value at its centre
    group = zarr.open_group(write(Volume(ramp, voxel, (7, 0, -3)), tmp_path / "stack.ome.zarr"), mode="r")
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    levels = ome["multiscales"][0]["datasets"]
    assert len(levels) >= 2
    assert max(group[levels[-1]["path"]].shape) <= 256
    for level in levels:
        scale, translation = level["coordinateTransformations"]
        dz, dy, dx = scale["scale"]
        data = group[level["path"]][:]
        complete = data[
            : shape[0] * voxel[0] // int(dz), : shape[1] * voxel[1] // int(dy), : shape[2] * voxel[2] // int(dx)
        ]
        k, j, i = np.meshgrid(*(np.arange(n) for n in complete.shape), indexing="ij")
        oz, oy, ox = np.subtract(translation["translation"], (7, 0, -3))
        expected = (oz + k * dz) + 2 * (oy + j * dy) - (ox + i * dx)
        np.testing.assert_allclose(complete, expected, atol=0.05)


def test_integer_levels_are_rounded_means(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, (8, 160, 150), np.uint8)
    group = zarr.open_group(write(Volume(data, (4, 4, 4)), tmp_path / "stack.zarr"), mode="r")
    blocks = data.reshape(4, 2, 80, 2, 75, 2).mean(axis=(1, 3, 5))
    np.testing.assert_array_equal(group["1"][:], np.rint(blocks))


@pytest.mark.parametrize("voxel", [(4, 4, 4), (40, 4, 4), (4, 4, 8)])
def test_only_axes_that_are_the_finest_are_halved(voxel):
    levels = plan_levels((300, 700, 500), voxel, (0, 0, 0))
    for level in levels[1:]:
        assert max(level.reduction) == 2
        assert max(level.voxel_size_nm) <= max(*voxel, 2 * min(level.voxel_size_nm))


def test_an_incomplete_block_repeats_the_last_row_and_column():
    plane = np.arange(15, dtype=np.uint8).reshape(3, 5)
    np.testing.assert_array_equal(average_xy(plane, 2, 2), [[3, 5, 6.5], [10.5, 12.5, 14]])
