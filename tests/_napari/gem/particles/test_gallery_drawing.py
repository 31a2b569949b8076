import numpy as np

from napari_emgauss._napari.gem.particles.gallery_drawing import (
    N_SHOWN,
    gallery_row,
    seen_and_averaged,
    shown_particles,
)


def test_pages_go_round_through_all_particles(particles):
    shown = [i for page in range(30) for i in shown_particles(particles, page)]
    assert len(set(shown)) == len(particles)
    assert shown_particles(particles.take([5, 6]), 1) == [1, 0]


def test_averages_show_more_than_the_particles(particles):
    seen, averages = seen_and_averaged(particles, [0, 40, 80, 100])
    assert len(seen.images) == len(averages.images) == N_SHOWN

    def contrast(images):
        return np.mean([np.abs(image[8:16, 8:16]).mean() / np.abs(image[:4]).mean() for image in images])

    assert contrast(averages.images) > 1.5 * contrast(seen.images)


def test_a_row_has_all_its_places():
    row = gallery_row([np.ones((8, 8), np.float32)], ["1"])
    assert (len(row.images), len(row.titles)) == (N_SHOWN, N_SHOWN)
    assert row.limits[0] < row.limits[1]
