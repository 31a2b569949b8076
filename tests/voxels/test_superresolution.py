import numpy as np
import pytest

from napari_emgauss.registration import SlicePixels
from napari_emgauss.slices import PROFILES
from napari_emgauss.voxels import SliceOperator, scattered, super_resolve
from napari_emgauss.voxels.superresolution import roughness_gradient


def test_roughness_is_that_of_the_differences_of_neighbours():
    x = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)
    squares = sum(float((np.diff(x, axis=axis) ** 2).sum()) for axis in range(3))
    assert float((x * roughness_gradient(x)).sum()) == pytest.approx(squares, rel=1e-5)


def test_super_resolution_solves_its_normal_equations(acquired):
    pixels = [SlicePixels(stack, PROFILES["mri"], n_nodes=(5, 1, 1)) for stack in acquired.stacks]
    operator = SliceOperator(acquired.truth.grid, pixels, acquired.motion)
    values = np.concatenate([part.values for part in pixels])
    start = scattered(operator, values, np.ones_like(values))

    def gradient(x):
        return np.linalg.norm(operator.adjoint(operator.forward(x) - values) + 0.05 * roughness_gradient(x))

    solved = super_resolve(operator, values, smoothness=0.05, iterations=60)
    assert gradient(solved.values) < 2e-3 * gradient(start.values)


def test_super_resolution_is_sharper_than_what_it_starts_from(acquired):
    pixels = [SlicePixels(stack, PROFILES["mri"]) for stack in acquired.stacks]
    operator = SliceOperator(acquired.truth.grid, pixels, acquired.motion)
    values = np.concatenate([part.values for part in pixels])
    start = scattered(operator, values, np.ones_like(values))
    inside = acquired.mask

    def error(volume):
        return float(np.sqrt(((volume.values - acquired.truth.values)[inside] ** 2).mean()))

    assert error(super_resolve(operator, values, iterations=15)) < 0.6 * error(start)
