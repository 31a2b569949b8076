"""Slope and curvature against the losses that they are of."""

import pytest
import torch

from napari_emgauss.losses import d_ssim, least_squares, quadratic_model, quadratic_models
from napari_emgauss.losses.quadratic import LEAST_DIFFERENCE, _quadratic_models_at_once


def pair(shape=(40, 33), seed=0, noise=0.05):
    g = torch.Generator().manual_seed(seed)
    target = torch.rand(shape, generator=g)
    return target + noise * torch.randn(shape, generator=g), target, torch.rand(shape, generator=g)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("lambda_dssim", [0.0, 0.2, 1.0])
def test_the_slope_is_minus_the_gradient_of_the_loss(weighted, lambda_dssim):
    pred, target, weight = pair()
    weight = weight if weighted else torch.ones_like(pred)
    leaf = pred.clone().requires_grad_()
    difference = (leaf - target).abs()
    small = difference < LEAST_DIFFERENCE
    huber = torch.where(small, difference**2 / (2 * LEAST_DIFFERENCE), difference)
    loss = (1 - lambda_dssim) * (weight * huber).sum()
    loss = loss + lambda_dssim * weight.sum() * d_ssim(leaf, target, weight=weight)
    loss.backward()
    slope, _ = quadratic_model(pred, target, weight=weight if weighted else None, lambda_dssim=lambda_dssim)
    torch.testing.assert_close(slope, -leaf.grad, rtol=1e-3, atol=1e-4)


def test_the_model_of_l1_lies_above_it_and_touches_it():
    pred, target, _ = pair(noise=0.2)
    slope, curvature = quadratic_model(pred, target, lambda_dssim=0.0)
    for delta in torch.linspace(-0.5, 0.5, 11):
        before, after = (pred - target).abs(), (pred + delta - target).abs()
        model = before - slope * delta + 0.5 * curvature * delta**2
        far = before > LEAST_DIFFERENCE
        assert (model[far] >= after[far] - 1e-5).all()


def test_the_curvature_of_ssim_is_that_of_a_small_difference_without_a_local_mean():
    target = pair(shape=(64, 64))[1]
    stripes = 1e-3 * (1 - 2 * (torch.arange(64) % 2)).float().expand(64, 64)
    _, curvature = quadratic_model(target, target, lambda_dssim=1.0)
    inner = torch.zeros(64, 64)
    inner[12:-12, 12:-12] = 1
    loss = d_ssim(target + stripes, target, weight=inner) * inner.sum()
    assert loss.item() == pytest.approx((0.5 * curvature * stripes**2 * inner).sum().item(), rel=0.1)


def test_least_squares_have_the_weight_for_a_curvature():
    pred, target, weight = pair()
    slope, curvature = least_squares(pred, target, weight)
    assert torch.equal(curvature, weight)
    torch.testing.assert_close(slope, weight * (target - pred))
    assert torch.equal(least_squares(pred, target)[1], torch.ones_like(pred))


@pytest.mark.parametrize("lambda_dssim", [0.0, 0.2, 1.0])
def test_several_images_at_once_have_the_models_of_each(lambda_dssim):
    g = torch.Generator().manual_seed(0)
    pred, target, weight = (torch.rand(3, 14, 19, generator=g) for _ in range(3))
    each = quadratic_models(pred, target, weight=weight, lambda_dssim=lambda_dssim)
    on_a_gpu = _quadratic_models_at_once(pred, target, weight, lambda_dssim)
    for ours, expected in zip(on_a_gpu, each, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
