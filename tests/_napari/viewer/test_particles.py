import numpy as np

from napari_emgauss._napari.viewer.particles import map_to_layer, particles_of, particles_to_layer
from napari_emgauss.forward.simulation import phantom_particles
from napari_emgauss.io.particles.density_map import DensityMap
from napari_emgauss.phantoms import phantom_molecule


def test_a_layer_of_particles_carries_them_and_shows_them_at_their_scale(viewer):
    particles = phantom_particles(20, box_px=16, pixel_size_angstrom=10.0)
    image, attributes, _ = particles_to_layer(particles, "p")
    layer = viewer.add_image(image, **attributes)
    assert particles_of(layer) is particles
    assert tuple(layer.scale) == (10, 10)
    assert np.array_equal(image[:16, :16], particles.read([0])[0])
    assert particles_of(viewer.add_image(image)) is None


def test_a_large_map_is_thinned_where_that_is_asked_for():
    values = phantom_molecule(100).map(20, 8.0)
    data, attributes, _ = map_to_layer(DensityMap(values, 8.0), "m", most_px=12)
    assert np.array_equal(data, values[::2, ::2, ::2])
    assert attributes["scale"] == (16, 16, 16)
    low, high = attributes["contrast_limits"]
    assert low < attributes["iso_threshold"] < high
