from types import SimpleNamespace

import numpy as np
import pytest

from napari_emgauss.evaluation.places import (
    SHOWN,
    Place,
    Places,
    places_by_uncertainty,
    places_of_gain,
    square_structures,
    squares,
)


@pytest.mark.parametrize(("height", "width", "side"), [(600, 900, 100), (100, 130, 48), (40, 30, 30)])
def test_squares_lie_in_the_section_beside_each_other(height, width, side):
    covered = np.zeros((height, width), int)
    for y0, y1, x0, x1 in squares(height, width):
        assert (y1 - y0, x1 - x0) == (side, side)
        covered[y0:y1, x0:x1] += 1
    assert covered.max() == 1
    assert covered.shape == (height, width)


def test_structures_are_worst_where_the_image_was_spoiled():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(150, 200)).astype(np.float32)
    image = truth.copy()
    y0, y1, x0, x1 = squares(150, 200)[5]
    image[y0:y1, x0:x1] = rng.normal(size=(y1 - y0, x1 - x0))
    assert np.argmin(square_structures(image, truth)) == 5


def test_the_best_and_the_worst_are_chosen_none_twice_nor_at_neighbouring_depths():
    gains = np.arange(12) / 10
    places = Places.among([*places_of_gain(2.0, (150, 200), gains), *places_of_gain(3.0, (150, 200), gains + 0.01)])
    assert [place.gain for place in places.best] == pytest.approx([1.11, 1.01, 0.91])
    assert [place.gain for place in places.worst] == pytest.approx([0.0, 0.1, 0.2])
    alone = Places.among([Place(z=1, y=2, x=3, side_px=9, gain=0)])
    assert (len(alone.best), len(alone.worst)) == (1, 0)


def test_without_truth_they_are_where_the_error_to_expect_is_small_or_large():
    def uncertainty(z, *, zoom):
        return np.broadcast_to(np.arange(1, 1 + round(200 * zoom)), (round(150 * zoom), round(200 * zoom)))

    model = SimpleNamespace(has_uncertainty=True, shape=(5, 150, 200), observed=(0, 1, 3, 4), uncertainty=uncertainty)
    places = places_by_uncertainty(model)
    assert {place.x for place in places.best} == {24}
    assert {place.x for place in places.worst} == {168}
    assert {place.z for place in (*places.best, *places.worst)} <= {0.5, 2.0, 3.5}
    assert len(places.best) == len(places.worst) == SHOWN
    assert places_by_uncertainty(SimpleNamespace(has_uncertainty=False)) == Places()
