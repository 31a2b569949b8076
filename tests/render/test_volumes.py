import numpy as np
import pytest
import torch

from napari_emgauss.gaussians.algebra import evaluate
from napari_emgauss.gaussians.solid import SolidGaussians
from napari_emgauss.render.rules import CUTOFF
from napari_emgauss.render.volumes import packed_precisions, splat_volume

SHAPE = (13, 15, 17)


def gaussians(n=6, seed=0):
    torch.manual_seed(seed)
    return SolidGaussians(
        {
            "mean": 4 + 6 * torch.rand(n, 3),
            "log_scale": 0.3 * torch.randn(n, 3),
            "quaternion": torch.randn(n, 4),
            "amplitude": torch.randn(n),
        }
    )


def draw(own):
    return splat_volume(own.mean, packed_precisions(own.covariance()), own.amplitude, SHAPE)


def defined(own):
    axes = [torch.arange(float(side)) for side in SHAPE]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    return evaluate(own.terms(), points).reshape(SHAPE)


def test_a_volume_is_the_sum_of_its_terms_within_the_cut_off():
    own = gaussians()
    assert (draw(own) - defined(own)).abs().max() < CUTOFF * own.amplitude.abs().sum()


def test_gradients_are_those_of_the_definition():
    own, upstream = gaussians(), torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    gradients = []
    for image in (draw(own), defined(own)):
        own.zero_grad()
        (image * upstream).sum().backward()
        gradients.append({name: p.grad.clone() for name, p in own.named_parameters()})
    for name, expected in gradients[1].items():
        assert (gradients[0][name] - expected).abs().max() < 0.15 * expected.abs().max(), name


def test_precisions_are_inverse_covariances():
    covariance = gaussians().covariance()
    zz, zy, zx, yy, yx, xx = packed_precisions(covariance).unbind(-1)
    rows = [torch.stack(row, -1) for row in ((zz, zy, zx), (zy, yy, yx), (zx, yx, xx))]
    assert torch.allclose(torch.stack(rows, -2) @ covariance, torch.eye(3).expand(6, 3, 3), atol=1e-4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 2e9])
def test_what_cannot_be_drawn_is_left_out(bad):
    own = gaussians()
    with torch.no_grad():
        own.mean[0, 1] = bad
    rest = splat_volume(own.mean[1:], packed_precisions(own.covariance())[1:], own.amplitude[1:], SHAPE)
    assert torch.equal(draw(own), rest)
    flat = packed_precisions(own.covariance()).detach()
    flat[1] = torch.tensor([1.0, 0, 0, 1, 0, -1])
    assert np.isfinite(splat_volume(own.mean[1:], flat[1:], own.amplitude[1:], SHAPE).detach().numpy()).all()
