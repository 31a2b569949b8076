from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_emgauss.forward.cuts import Cuts
from napari_emgauss.forward.slices import SlicePlane
from napari_emgauss.gaussians import SolidGaussians
from napari_emgauss.gaussians.lattice import Lattice
from napari_emgauss.methods.svr.fitting.amplitudes import AmplitudeFit


def problem(
    smoothness: float = 0.05,
) -> tuple[AmplitudeFit, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a small fit, its matrix, values, weights, and pairs with their weights."""
    rng = np.random.default_rng(0)
    lattice = Lattice.around(rng.uniform(-2, 2, (30, 3)), 1.5, margin=1.5)
    mean = torch.from_numpy(lattice.positions).float()
    own = SolidGaussians.round(mean, 0.9, torch.zeros(len(mean)))
    planes = [
        SlicePlane(
            torch.eye(3).double().roll(axis, 0), torch.tensor([z, 4.0, 4.0]).double(), torch.ones(3).double(), (9, 9)
        )
        for axis in range(3)
        for z in (-2.0, 0.0, 2.0)
    ]
    cuts = Cuts(own.mean, own.covariance(), planes)
    matrix = np.stack([cuts.draw(row) for row in np.eye(len(mean), dtype=np.float32)], 1)
    seen = cuts.layout.row([np.ones(plane.shape) for plane in planes])
    values = (rng.standard_normal(cuts.layout.size) * seen).astype(np.float32)
    weight = (rng.uniform(0.2, 1, cuts.layout.size) * seen).astype(np.float32)
    gain = cuts.layout.spread(rng.uniform(0.8, 1.2, len(planes)))
    start = rng.standard_normal(len(mean)).astype(np.float32)
    pairs = lattice.pairs()
    held = rng.uniform(0.1, 4, len(pairs)).astype(np.float32)
    fit = AmplitudeFit(cuts, values, weight, gain, pairs, smoothness=smoothness, pair_weight=held, amplitude=start)
    return fit, matrix * gain[:, None], values, weight, pairs, held


def test_conjugate_gradients_come_to_the_solution_of_the_normal_equations():
    fit, matrix, values, weight, pairs, held = problem()
    differences = np.zeros((len(pairs), matrix.shape[1]))
    differences[np.arange(len(pairs)), pairs[:, 0]] = 1
    differences[np.arange(len(pairs)), pairs[:, 1]] = -1
    normal = (matrix * weight[:, None]).T @ matrix
    typical = normal.sum(1).mean()
    expected = np.linalg.solve(
        normal + 0.05 * typical * (differences.T * held) @ differences, matrix.T @ (weight * values)
    )
    for _ in range(60):
        fit.step()
    np.testing.assert_allclose(fit.amplitude, expected, rtol=2e-3, atol=2e-3)


def test_what_is_drawn_keeps_up_with_the_amplitudes():
    fit, *_ = problem()
    for _ in range(5):
        fit.step()
    np.testing.assert_allclose(fit.drawn, fit.cuts.draw(fit.amplitude), atol=1e-4)


def test_a_restored_fit_goes_on_to_the_last_bit():
    fit, *_ = problem()
    for _ in range(3):
        fit.step()
    other = problem()[0]
    other.amplitude = fit.amplitude.copy()
    other.restore(fit.state())
    fit.step()
    other.step()
    np.testing.assert_array_equal(fit.amplitude, other.amplitude)


@pytest.mark.parametrize("smoothness", [0.01, 10.0])
def test_more_smoothness_leaves_smaller_differences(smoothness):
    fit, *_, pairs, _ = problem(smoothness)
    for _ in range(40):
        fit.step()
    roughness = np.abs(fit.amplitude[pairs[:, 0]] - fit.amplitude[pairs[:, 1]]).mean()
    assert (roughness > 0.2) == (smoothness < 1)
