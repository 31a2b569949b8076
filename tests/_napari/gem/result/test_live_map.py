import numpy as np
import pytest

from napari_emgauss._napari.gem.result.live_map import LiveMap
from napari_emgauss._napari.viewer.particles import map_to_layer
from napari_emgauss.io.particles.density_map import DensityMap
from napari_emgauss.phantoms import phantom_molecule


@pytest.fixture(scope="module")
def maps():
    values = phantom_molecule(100).map(16, 10.0)
    return [map_to_layer(DensityMap(factor * values, 10.0), "Map so far") for factor in (1, 2, 3)]


def test_the_surface_follows_the_map_until_it_is_moved(viewer, maps):
    live = LiveMap(viewer)
    live.show(maps[0])
    layer = viewer.layers["Map so far"]
    live.show(maps[1])
    assert layer.iso_threshold == maps[1][1]["iso_threshold"]
    layer.iso_threshold = 1.25 * layer.iso_threshold
    moved = layer.iso_threshold
    live.show(maps[2])
    assert np.array_equal(layer.data, maps[2][0])
    assert layer.iso_threshold == moved


def test_a_layer_that_was_removed_does_not_come_again(viewer, maps):
    live = LiveMap(viewer)
    live.show(maps[0])
    viewer.layers.clear()
    live.show(maps[1])
    live.remove()
    assert not viewer.layers
