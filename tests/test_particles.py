import numpy as np
import pytest

from napari_emgauss.errors import ParticlesError
from napari_emgauss.particles import (
    ArrayImages,
    Particles,
    background,
    box_choices,
    evenly_spread,
    fourier_cropped,
    montage,
    normalised,
)

RNG = np.random.default_rng(0)


def some(n=5, box=16, **changes):
    images = RNG.standard_normal((n, box, box)).astype(np.float32)
    values = {
        "images": ArrayImages(images),
        "pixel_size_angstrom": 2.0,
        "rotations": np.tile(np.eye(3), (n, 1, 1)),
        "shifts_angstrom": np.zeros((n, 2)),
        "ctf": None,
    }
    return Particles(**(values | changes))


def test_the_background_has_mean_0_and_deviation_1_whatever_the_images_were_scaled_by():
    images = RNG.standard_normal((3, 20, 20)).astype(np.float32)
    scaled = images * np.float32([2, 30, 0.1])[:, None, None] + np.float32(7)
    outside = normalised(scaled)[:, background(20)]
    assert np.abs(outside.mean(1)).max() < 1e-5
    assert np.abs(outside.std(1) - 1).max() < 1e-5
    assert np.allclose(normalised(images), normalised(scaled), atol=1e-3)


def test_black_particles_are_read_white():
    found = some()
    black = some(images=ArrayImages(-found.images.read(range(5))), data_sign=-1)
    assert np.allclose(black.read([1, 3]), found.read([1, 3]), atol=1e-6)


def test_cropping_keeps_what_both_boxes_can_hold():
    axis = np.arange(24) - 12
    wave = np.cos(2 * np.pi * (3 * axis[:, None] + 2 * axis) / 24).astype(np.float32)[None] + 0.5
    small = np.arange(12) - 6
    expected = np.cos(2 * np.pi * (3 * small[:, None] + 2 * small) / 12) + 0.5
    assert np.allclose(fourier_cropped(wave, 12)[0], expected, atol=1e-6)
    fast = np.cos(2 * np.pi * 9 * axis / 24).astype(np.float32) * np.ones((1, 24, 1), np.float32)
    assert np.abs(fourier_cropped(fast, 12)).max() < 1e-6


def test_a_smaller_box_has_larger_pixels_and_the_same_shifts_in_angstrom():
    found = some(shifts_angstrom=np.full((5, 2), 4.0)).with_box(8)
    assert found.read([0]).shape == (1, 8, 8)
    assert found.box_pixel_size_angstrom == 4.0
    assert np.allclose(found.shifts_px, 1.0)


def test_some_of_the_particles_are_those():
    found = some(halves=np.array([0, 1, 0, 1, 0]))
    chosen = found.take([3, 0])
    assert np.array_equal(chosen.read([0, 1]), found.read([3, 0]))
    assert chosen.halves.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"box": 15}, "even"),
        ({"pixel_size_angstrom": 0.0}, "pixel_size_angstrom must be positive"),
        ({"shifts_angstrom": np.zeros((4, 2))}, "as many shifts as images, got 4 and 5"),
        ({"shifts_angstrom": np.full((5, 2), np.nan)}, "finite"),
        ({"rotations": np.tile(np.diag([1.0, 1, -1]), (5, 1, 1))}, "rotation matrices"),
        ({"halves": np.zeros(3, np.int64)}, "half sets"),
        ({"box_px": 20}, "within 8..16"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(ParticlesError, match=message):
        some(**changes)


def test_a_montage_has_rows_of_particles_with_gaps():
    particles = some(5)
    image = montage(particles, 4, gap_px=1)
    chosen = particles.read(evenly_spread(particles, 4))
    side = particles.box_px
    assert image.shape == (2 * side + 1, 2 * side + 1)
    assert np.array_equal(image[side + 1 :, side + 1 :], chosen[3])
    assert not image[side].any()


def test_boxes_to_choose_from_are_even_and_begin_with_the_one_that_is_stored():
    choices = box_choices(some(3, box=64))
    assert [box for box, _ in choices] == [64, 48, 32]
    assert choices[0][1] == pytest.approx(2 * some(3, box=64).pixel_size_angstrom)
