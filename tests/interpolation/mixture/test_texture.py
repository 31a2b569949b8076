"""Texture of a stack."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, uniform_filter1d

from napari_emgauss.interpolation.mixture import Stack
from napari_emgauss.interpolation.mixture.texture import fit_texture
from napari_emgauss.phantoms import phantom

FACTOR = 6


def blobs(along, across=3.5, *, noise=0.02, thickness=1, shape=(67, 128, 128)):
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.standard_normal(shape, np.float32), (along, across, across), mode="wrap")
    volume = 0.5 + 0.15 * smooth / smooth.std() + noise * rng.standard_normal(shape)
    return np.asarray(uniform_filter1d(volume, thickness, axis=0), np.float32)


def half_square_difference(volume, distance):
    return 0.5 * float(np.mean((volume[distance:] - volume[:-distance]) ** 2))


def expected(texture, distance):
    """What is common to all sections is in no difference of them, and in no texture."""
    return sum(
        guess.probability * (guess.covariances(0.0) - guess.covariances(float(distance))).sum()
        for guess in texture.guesses
    )


@pytest.mark.parametrize("along", [3.5, 7.0], ids=["alike in all directions", "stretched along z"])
def test_how_alike_sections_are_is_known_where_there_is_none(along):
    volume = blobs(along)
    texture = fit_texture([Stack(volume[::FACTOR], FACTOR)])
    assert texture.misfit < 1
    for distance in (3, 9):
        true = half_square_difference(volume, distance)
        assert expected(texture, distance) == pytest.approx(true, abs=0.15 * float(volume.var()))


def test_sections_that_overlap_are_told_from_thin_ones():
    thin, thick = (
        fit_texture([Stack(blobs(3.5, noise=0.1, thickness=n)[::FACTOR], FACTOR)]).probability_thick for n in (1, 12)
    )
    assert thin < 0.5 < thick


def test_thin_sections_of_tissue_are_not_taken_for_thick_ones():
    tissue = np.asarray(phantom((61, 96, 96), seed=0).data, np.float32) / 255
    thick = uniform_filter1d(tissue, 12, axis=0)
    found = [fit_texture([Stack(data[::FACTOR], FACTOR)]).probability_thick for data in (tissue, thick)]
    assert found[0] < 0.5 < found[1]


def test_the_probabilities_of_all_guesses_sum_to_one():
    guesses = fit_texture([Stack(blobs(3.5)[::FACTOR], FACTOR)]).guesses
    assert sum(guess.probability for guess in guesses) == pytest.approx(1)
    assert all((guess.variances >= 0).all() for guess in guesses)


def test_there_is_no_texture_where_no_sections_are_neighbours_or_nothing_varies():
    sections = blobs(3.5)[::FACTOR]
    assert fit_texture([Stack(sections[:3], FACTOR, [0.0, 2.0, 4.0])]) is None
    assert fit_texture([Stack(np.ones_like(sections), FACTOR)]) is None


def test_sections_that_were_left_out_are_no_neighbours():
    sections = blobs(3.5)[::FACTOR]
    kept = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    gappy = fit_texture([Stack(sections[kept], FACTOR, [float(i) for i in kept])])
    whole = fit_texture([Stack(sections, FACTOR)])
    assert expected(gappy, 3) == pytest.approx(expected(whole, 3), rel=0.1)
