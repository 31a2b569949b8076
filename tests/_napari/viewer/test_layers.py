"""Volumes become layers, and layers volumes, at the same place."""

import numpy as np
import pytest
from napari.layers import Image

import napari_emgauss as eg
from napari_emgauss._napari.viewer.layers import LayerPlacement, from_layer, stack_of, to_layer
from napari_emgauss.errors import VolumeError, VoxelSizeError

PLACE = {"scale": (0.048, 0.008, 0.008), "translate": (0.5, 1.25, -0.75), "units": ("um",) * 3}


@pytest.fixture
def layer(stack):
    return Image(np.asarray(stack.data), name="stack", **PLACE)


def test_a_volume_as_a_layer_is_the_same_volume_again(stack):
    placed = eg.Volume(stack.data, stack.voxel_size_nm, (500, 1250, -750), {"attribution": {"authors": "me"}})
    data, attributes, kind = to_layer(placed, "stack")
    again = from_layer(data, attributes)
    assert (kind, attributes["name"]) == ("image", "stack")
    assert (again.voxel_size_nm, again.origin_nm) == (placed.voxel_size_nm, placed.origin_nm)
    assert again.metadata == placed.metadata


def test_a_placement_overlays_its_layer_in_its_units(layer):
    placement = LayerPlacement.of(layer)
    attributes = placement.attributes((48, 8, 8), (500, 1250, -750))
    assert placement.nm_per_unit == pytest.approx((1000, 1000, 1000))
    assert attributes["scale"] == pytest.approx(tuple(layer.scale))
    assert attributes["translate"] == pytest.approx(tuple(layer.translate))


def test_a_placement_needs_a_length():
    with pytest.raises(VoxelSizeError, match="pixels"):
        LayerPlacement.of(Image(np.zeros((3, 20, 20))))


def test_a_part_of_a_layer_lies_where_it_was(layer, stack):
    part = stack_of(layer, region=(10, 40, 5, 30), sections=slice(1, 4))
    assert part.shape == (3, 30, 25)
    assert part.origin_nm == pytest.approx((548, 1250 + 80, -750 + 40))
    assert np.array_equal(np.asarray(part.data[:]), np.asarray(stack.data)[1:4, 10:40, 5:30])


def test_a_flipped_layer_is_refused(stack):
    with pytest.raises(VolumeError, match="flipped"):
        stack_of(Image(np.asarray(stack.data), scale=(48, -8, 8), units=("nm",) * 3))
