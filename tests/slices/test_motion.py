import numpy as np
import pytest

from napari_emgauss.slices.motion import (
    affines,
    apply,
    centred,
    common_motion,
    components,
    compose,
    from_affines,
    invert,
    motion_error,
    moved_by,
    repivoted,
    rotations,
)

RNG = np.random.default_rng(0)
MOTION = RNG.normal(0, [0.3] * 3 + [4.0] * 3, (7, 6))
PIVOTS = RNG.normal(0, 30, (7, 3))
POINTS = RNG.normal(0, 30, (7, 5, 3))


def rigid(vector):
    return affines(np.array([vector]), np.zeros((1, 3)))[0]


def test_a_point_moves_as_the_convention_says():
    turned = np.einsum("nij,nkj->nki", rotations(MOTION), POINTS - PIVOTS[:, None])
    assert np.allclose(apply(MOTION, PIVOTS, POINTS), turned + PIVOTS[:, None] + MOTION[:, None, 3:])


def test_matrices_and_motion_are_two_ways_to_write_the_same():
    assert np.allclose(from_affines(affines(MOTION, PIVOTS), PIVOTS), MOTION)


def test_a_motion_and_its_inverse_leave_everything_where_it_is():
    assert np.allclose(compose(invert(MOTION, PIVOTS), MOTION, PIVOTS), 0)


def test_composing_is_moving_twice():
    other = MOTION[::-1]
    twice = apply(other, PIVOTS, apply(MOTION, PIVOTS, POINTS))
    assert np.allclose(apply(compose(other, MOTION, PIVOTS), PIVOTS, POINTS), twice)


def test_another_pivot_is_the_same_motion():
    others = PIVOTS + RNG.normal(0, 10, PIVOTS.shape)
    moved = apply(repivoted(MOTION, PIVOTS, others), others, POINTS)
    assert np.allclose(moved, apply(MOTION, PIVOTS, POINTS))


def test_what_all_slices_have_in_common_is_no_error():
    drifted = moved_by(rigid([0.2, -0.1, 0.3, 5, -3, 8]), MOTION, PIVOTS)
    assert motion_error(drifted, MOTION, PIVOTS) == pytest.approx((0, 0), abs=1e-5)


def test_the_error_is_the_angle_and_the_distance_of_the_pivots():
    wrong = MOTION.copy()
    wrong[:, 3:] += np.resize([1.0, -1.0], 8)[:7, None] * [0, 2.0, 0]
    weights = np.array([1, 1, 1, 1, 1, 1, 0])
    degrees, mm = motion_error(wrong, MOTION, PIVOTS, weights=weights)
    assert degrees == pytest.approx(0, abs=1e-5)
    assert mm == pytest.approx(2.0)


def test_the_common_motion_is_found():
    matrix = rigid([0.1, 0.2, -0.3, 4, 5, 6])
    assert np.allclose(common_motion(moved_by(matrix, MOTION, PIVOTS), PIVOTS, reference=MOTION), matrix)


def test_a_centred_motion_has_nothing_in_common():
    assert np.allclose(common_motion(centred(MOTION, PIVOTS), PIVOTS), np.eye(4))
    assert np.allclose(common_motion(MOTION, PIVOTS, weights=np.zeros(7)), np.eye(4))


def test_motion_is_shown_in_degrees_and_millimetres():
    degrees, millimetres = components(np.array([[np.pi, 0, 0, 1, 2, 3]]))
    assert np.allclose(degrees, [[180, 0, 0]])
    assert np.allclose(millimetres, [[1, 2, 3]])
