from __future__ import annotations

import math

import pytest
import torch

from napari_emgauss.gaussians.algebra import (
    GaussianTerms,
    condition,
    conics,
    convolve,
    evaluate,
    integral,
    marginalise,
    transform,
)


def random_terms(n: int = 5, d: int = 3, seed: int = 0) -> GaussianTerms:
    """Return terms within ±1 of the origin whose covariances have no axis in common."""
    g = torch.Generator().manual_seed(seed)
    factors = torch.randn(n, d, d, generator=g, dtype=torch.float64) * 0.4
    covariance = factors @ factors.transpose(1, 2) + 0.3 * torch.eye(d, dtype=torch.float64)
    mean = torch.rand(n, d, generator=g, dtype=torch.float64) * 2 - 1
    return GaussianTerms(mean, covariance, torch.randn(n, generator=g, dtype=torch.float64))


def random_points(m: int = 20, d: int = 3) -> torch.Tensor:
    return torch.randn(m, d, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


LINE = torch.linspace(-12, 12, 241, dtype=torch.float64)


def with_coordinate(points: torch.Tensor, axis: int, value: torch.Tensor | float) -> torch.Tensor:
    """Return points with one more coordinate at ``axis``."""
    column = torch.as_tensor(value, dtype=torch.float64).expand(len(points))[:, None]
    return torch.cat([points[:, :axis], column, points[:, axis:]], 1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_cut_is_the_field_on_the_plane(axis):
    terms, points = random_terms(), random_points(d=2)
    expected = evaluate(terms, with_coordinate(points, axis, 0.7))
    torch.testing.assert_close(evaluate(condition(terms, axis=axis, at=0.7), points), expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_projection_is_the_integral_of_the_field_along_lines(axis):
    terms, points = random_terms(), random_points(d=2)
    samples = torch.stack([evaluate(terms, with_coordinate(points, axis, t)) for t in LINE])
    expected = torch.trapezoid(samples, LINE, dim=0)
    torch.testing.assert_close(evaluate(marginalise(terms, axis=axis), points), expected, rtol=1e-9, atol=1e-9)


def test_a_convolution_is_the_integral_of_the_field_with_the_kernel():
    terms, kernel = random_terms(d=2), torch.tensor([[0.8, 0.3], [0.3, 0.5]], dtype=torch.float64)
    grid = torch.cartesian_prod(LINE[::2], LINE[::2])
    weights = evaluate(GaussianTerms(torch.zeros(1, 2).double(), kernel[None], torch.ones(1).double()), grid)
    weights = weights / weights.sum()
    points = random_points(6, 2)
    expected = torch.stack([(weights * evaluate(terms, point - grid)).sum() for point in points])
    torch.testing.assert_close(evaluate(convolve(terms, kernel), points), expected, rtol=1e-9, atol=1e-9)


def test_a_kernel_along_one_direction_leaves_the_others():
    terms, kernel = random_terms(), torch.diag(torch.tensor([2.0, 0, 0], dtype=torch.float64))
    before, after = marginalise(terms, axis=0), marginalise(convolve(terms, kernel), axis=0)
    torch.testing.assert_close(after, before)


def test_a_convolution_keeps_the_integral():
    terms = random_terms()
    kernel = random_terms(1, seed=4).covariance
    torch.testing.assert_close(integral(convolve(terms, kernel)), integral(terms))


def test_the_integral_is_what_projections_along_all_axes_leave():
    flat = marginalise(marginalise(random_terms()))
    torch.testing.assert_close(
        flat.amplitude * torch.sqrt(2 * math.pi * flat.covariance[:, 0, 0]), integral(random_terms())
    )


def test_values_go_along_with_their_points():
    terms, points = random_terms(), random_points()
    matrix = torch.linalg.qr(random_terms(1).covariance[0])[0] * 1.3
    offset = torch.tensor([3.0, -1.0, 0.5], dtype=torch.float64)
    torch.testing.assert_close(
        evaluate(transform(terms, matrix, offset), points @ matrix.T + offset), evaluate(terms, points)
    )


def test_a_cut_after_a_blur_along_its_normal_is_a_projection_in_the_limit():
    terms = random_terms()
    sigma = 1e4
    kernel = torch.diag(torch.tensor([sigma**2, 0, 0], dtype=torch.float64))
    cut, projected = condition(convolve(terms, kernel)), marginalise(terms)
    torch.testing.assert_close(
        cut.amplitude * sigma * math.sqrt(2 * math.pi), projected.amplitude, rtol=1e-6, atol=1e-8
    )
    torch.testing.assert_close(cut.covariance, projected.covariance, rtol=1e-6, atol=1e-6)


def test_conics_invert_covariances():
    covariance = random_terms(d=2).covariance
    yy, yx, xx = conics(covariance).unbind(-1)
    inverse = torch.stack([torch.stack([yy, yx], -1), torch.stack([yx, xx], -1)], -2)
    torch.testing.assert_close(inverse @ covariance, torch.eye(2, dtype=torch.float64).expand(5, 2, 2))


@pytest.mark.parametrize("operation", ["condition", "convolve", "marginalise"])
def test_gradients_are_those_of_finite_differences(operation):
    terms = random_terms(2)
    kernel = random_terms(1, seed=4).covariance

    def result(mean: torch.Tensor, factor: torch.Tensor, amplitude: torch.Tensor) -> tuple[torch.Tensor, ...]:
        own = GaussianTerms(mean, factor @ factor.transpose(1, 2), amplitude)
        return {"condition": condition, "marginalise": marginalise, "convolve": lambda t: convolve(t, kernel)}[
            operation
        ](own)

    inputs = [
        t.clone().requires_grad_() for t in (terms.mean, torch.linalg.cholesky(terms.covariance), terms.amplitude)
    ]
    assert torch.autograd.gradcheck(result, inputs)


def test_float32_agrees_with_float64():
    terms = random_terms(200)
    kernel = random_terms(1, seed=4).covariance
    exact = condition(convolve(terms, kernel), at=0.3)
    rounded = condition(convolve(GaussianTerms(*(t.float() for t in terms)), kernel.float()), at=0.3)
    for own, other in zip(rounded, exact, strict=True):
        torch.testing.assert_close(own.double(), other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_the_blur_of_a_gaussian_by_itself_halves_its_peak_per_two_dimensions(d):
    terms = random_terms(d=d)
    torch.testing.assert_close(convolve(terms, terms.covariance).amplitude, terms.amplitude * 2 ** (-d / 2))
