"""The isotropic volume of a stack without a model."""

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.cli import main
from napari_emgauss.resampling.interpolated import InterpolatedStack


@pytest.mark.parametrize("name", ["plain.ome.tif", "plain.mrc"])
def test_interpolate_writes_the_isotropic_volume_without_a_model(folder, stack, name):
    target = folder / name
    arguments = ["--method", "linear", "--leave-out", "2"]
    assert main(["interpolate", str(folder / "stack.tif"), str(target), *arguments]) == 0
    written = eg.read(target)
    assert written.shape == (25, 48, 40)
    assert written.voxel_size_nm == pytest.approx((8, 8, 8))
    middle = (stack.section(1).astype(float) + stack.section(3)) / 2
    np.testing.assert_allclose(written.section(12), middle, atol=0.51)


def test_interpolate_by_the_prior_writes_what_it_predicts_plane_by_plane(folder, stack):
    target = folder / "learned.ome.tif"
    assert main(["interpolate", str(folder / "stack.tif"), str(target), "--method", "learned"]) == 0
    expected = InterpolatedStack(stack, "learned").render(13 / 6)
    np.testing.assert_allclose(eg.read(target).section(13), expected, atol=0.51)


def test_in_shards_the_volume_is_the_same(folder):
    for name, options in (("planes", []), ("boxes", ["--shards"])):
        target = str(folder / f"{name}.ome.zarr")
        assert main(["interpolate", str(folder / "stack.tif"), target, "--method", "learned", *options]) == 0
    planes, boxes = (eg.read(folder / f"{name}.ome.zarr") for name in ("planes", "boxes"))
    assert (planes.data[:] == boxes.data[:]).all()
    assert planes.metadata["napari-emgauss"]["interpolated"] == boxes.metadata["napari-emgauss"]["interpolated"]
