import numpy as np
import pytest

from napari_emgauss.registration import SlicePixels
from napari_emgauss.runtime.threads import set_threads
from napari_emgauss.slices import PROFILES
from napari_emgauss.voxels import SliceOperator

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def operator(acquired):
    pixels = [SlicePixels(stack, PROFILES["mri"]) for stack in acquired.stacks]
    return SliceOperator(acquired.truth.grid, pixels, acquired.motion)


def test_the_adjoint_is_one(operator):
    x, y = RNG.random(operator.grid.shape).astype(np.float32), RNG.random(operator.n_pixels).astype(np.float32)
    assert float(operator.forward(x) @ y) == pytest.approx(float((operator.adjoint(y) * x).sum()), rel=1e-4)


def test_the_truth_predicts_what_was_measured(acquired, operator):
    measured = np.concatenate([part.values for part in operator.pixels])
    error = operator.forward(acquired.truth.values) - measured
    noise = 0.01 * acquired.truth.values[acquired.mask].max()
    assert error.std() < 1.6 * noise


def test_the_number_of_threads_changes_nothing(operator):
    y = RNG.random(operator.n_pixels).astype(np.float32)
    together = operator.adjoint(y)
    set_threads(1)
    try:
        assert (operator.adjoint(y) == together).all()
    finally:
        set_threads(None)
