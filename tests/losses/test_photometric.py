"""The compiled losses agree with convolutions in float64, and obey what defines them."""

import pytest
import torch

from napari_emgauss.errors import ConfigError
from napari_emgauss.losses import d_ssim, l1, photometric_loss


def pair(shape, seed=0):
    g = torch.Generator().manual_seed(seed)
    target = torch.rand(shape, generator=g)
    return (target + 0.2 * torch.randn(shape, generator=g)).clamp(0, 1), target, torch.rand(shape, generator=g)


def value_and_gradient(pred, target, weight, lambda_dssim):
    leaf = pred.clone().requires_grad_()
    loss = photometric_loss(leaf, target, weight=weight, lambda_dssim=lambda_dssim)
    (3 * loss).backward()
    return loss.item(), leaf.grad.double()


@pytest.mark.parametrize("shape", [(70, 41), (32, 32), (1, 9), (13, 1), (1, 1)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("lambda_dssim", [0.0, 0.2, 1.0])
def test_compiled_and_convolved_losses_agree_in_value_and_gradient(shape, weighted, lambda_dssim):
    pred, target, weight = pair(shape)
    weight = weight if weighted else None
    value, gradient = value_and_gradient(pred, target, weight, lambda_dssim)
    doubles = pred.double(), target.double(), None if weight is None else weight.double()
    exact_value, exact_gradient = value_and_gradient(*doubles, lambda_dssim)
    assert value == pytest.approx(exact_value, rel=1e-5, abs=1e-6)
    assert (gradient - exact_gradient).abs().max() <= 1e-5 * exact_gradient.abs().max()


def test_the_reference_has_the_gradient_of_its_differences():
    pred, target, weight = (tensor.double() for tensor in pair((9, 8)))
    pred.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: photometric_loss(p, target, weight=weight, lambda_dssim=0.7), (pred,))


def test_equal_images_have_no_loss_and_no_ssim_gradient():
    image, _, _ = pair((40, 40))
    leaf = image.clone().requires_grad_()
    loss = d_ssim(leaf, image)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert leaf.grad.abs().max() < 1e-6


def test_constant_images_have_the_ssim_of_their_means_away_from_the_border():
    bright, dark = torch.full((41, 41), 0.8), torch.full((41, 41), 0.2)
    centre = torch.zeros(41, 41)
    centre[10:31, 10:31] = 1
    expected = (2 * 0.8 * 0.2 + 1e-4) / (0.8**2 + 0.2**2 + 1e-4)
    assert d_ssim(bright, dark, weight=centre).item() == pytest.approx(1 - expected, rel=1e-3)


def test_the_losses_mix_linearly():
    pred, target, weight = pair((30, 20))
    mixed = photometric_loss(pred, target, weight=weight, lambda_dssim=0.3).item()
    parts = 0.7 * l1(pred, target, weight=weight).item() + 0.3 * d_ssim(pred, target, weight=weight).item()
    assert mixed == pytest.approx(parts, rel=1e-5)


def test_a_weight_is_a_mean_and_ignores_what_weighs_nothing():
    pred, target, _ = pair((20, 20))
    left = torch.zeros(20, 20)
    left[:, :10] = 5.0
    assert l1(pred, target, weight=left).item() == pytest.approx(l1(pred[:, :10], target[:, :10]).item(), rel=1e-5)


def test_a_target_that_needs_a_gradient_gets_one():
    pred, target, _ = pair((12, 12))
    target.requires_grad_()
    photometric_loss(pred, target).backward()
    assert target.grad.abs().max() > 0


@pytest.mark.misuse
def test_wrong_input_is_named():
    pred, target, _ = pair((6, 6))
    with pytest.raises(ValueError, match="target must have the shape of pred"):
        photometric_loss(pred, target[:3])
    with pytest.raises(ValueError, match="positive sum"):
        l1(pred, target, weight=torch.zeros(6, 6))
    with pytest.raises(ConfigError, match="lambda_dssim"):
        photometric_loss(pred, target, lambda_dssim=1.5)
