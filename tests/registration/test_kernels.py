import numpy as np
import pytest

from napari_emgauss.registration import SlicePixels
from napari_emgauss.registration.gauss_newton import moved, products
from napari_emgauss.registration.kernels import predict, scatter
from napari_emgauss.slices import SliceProfile, WorldVolume
from napari_emgauss.slices.motion import affines

RNG = np.random.default_rng(0)


def test_scattering_is_the_adjoint_of_predicting():
    volume, pixels = RNG.random((9, 10, 11)).astype(np.float32), RNG.random(40).astype(np.float32)
    place = RNG.normal(0, 0.4, (3, 3)) + np.array([[0.3, 0, 1], [0, 0.5, 1], [0.2, 0, 1]])
    nodes, weights = RNG.normal(0, 1, (5, 3)), np.full(5, 0.2)
    rows, columns = (RNG.uniform(0, 9, 40).astype(np.float32) for _ in range(2))
    out, back = np.zeros(40, np.float32), np.zeros_like(volume)
    predict(volume, place, nodes, weights, rows, columns, out)
    scatter(back, place, nodes, weights, rows, columns, pixels)
    assert (out > 0).sum() > 10
    assert float(out @ pixels) == pytest.approx(float((back * volume).sum()), rel=1e-5)


def test_a_prediction_is_the_weighted_mean_of_samples_at_the_nodes(acquired):
    stack, motion = acquired.stacks[0], acquired.motion[0]
    pixels = SlicePixels(stack, SliceProfile(), n_nodes=(5, 2, 1))
    places, nodes = pixels.places(motion, acquired.truth.grid)
    s = int(stack.used[3])
    part = pixels.of_slice(s)
    at = stack.world(np.stack([np.full(part.stop - part.start, s), pixels.rows[part], pixels.columns[part]], -1))
    offsets, weights = pixels.nodes
    sampled = 0.0
    for offset, weight in zip(offsets, weights, strict=True):
        matrix = affines(motion, stack.pivots)[s]
        sampled = sampled + weight * acquired.truth.sample((at + offset) @ matrix[:3, :3].T + matrix[:3, 3])
    out = np.zeros(part.stop - part.start, np.float32)
    predict(acquired.truth.values, places[s], nodes[s], weights, pixels.rows[part], pixels.columns[part], out)
    assert np.abs(out - sampled).max() < 1e-3 * sampled.max()


def test_derivatives_are_those_of_finite_differences(acquired):
    stack = acquired.stacks[1]
    smooth = WorldVolume(acquired.truth.values / 900, acquired.truth.affine)
    pixels = SlicePixels(stack, SliceProfile(), n_nodes=(7, 2, 2))
    s = stack.used[4:5]
    matrix, pivot = affines(acquired.motion[1], stack.pivots)[s[0]], stack.pivots[s[0]]

    def gram(pose):
        return products(smooth, pixels, s, pose[None], pivot[None])

    at, step = gram(matrix), 1e-4
    # Half the squared prediction is the seventh diagonal element; its derivative is the column of the prediction.
    for k in range(6):
        change = np.zeros(6)
        change[k] = step
        later, earlier = (gram(moved(matrix, pivot, sign * change))[6, 6] / 2 for sign in (1, -1))
        assert (later - earlier) / (2 * step) == pytest.approx(at[k, 6], rel=0.02, abs=2e-3 * at[6, 6])
