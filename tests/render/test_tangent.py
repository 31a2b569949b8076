"""The linearised image against the derivative of the definition, and its two implementations against each other."""

import math
from importlib.util import find_spec

import pytest
import torch
from torch.autograd.functional import jvp

from napari_emgauss.render import Tangent, splat

SHAPE = (31, 45)
DEVICES = {"cpu": "cpu", "torch": "cpu", "triton": "cuda" if torch.cuda.is_available() else "cpu"}
BACKENDS = ["cpu", "torch"] + (["triton"] if find_spec("triton") else [])


def tangent_of(means, conics, backend):
    """The maps for tensors on the backend's device, with arguments and results on the CPU."""
    device = DEVICES[backend]
    tangent = Tangent(means.to(device), conics.to(device), SHAPE, backend=backend)
    return lambda c: tangent.draw(c.to(device)).cpu(), lambda image: tangent.project(image.to(device)).cpu()


def scene(n=20, seed=0):
    """Means (some off the image), covariances (n, 2, 2) and conics."""
    g = torch.Generator().manual_seed(seed)
    means = torch.rand(n, 2, generator=g) * torch.tensor([SHAPE[0] + 8.0, SHAPE[1] + 8.0]) - 4.0
    sigma, angle = torch.exp(torch.rand(n, 2, generator=g) * 1.5), 6.28 * torch.rand(n, generator=g)
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    covariance = turn @ torch.diag_embed(sigma**2) @ turn.mT
    return means, covariance, conics_of(covariance)


def conics_of(covariance):
    inverse = torch.linalg.inv(covariance)
    return torch.stack([inverse[:, 0, 0], inverse[:, 0, 1], inverse[:, 1, 1]], 1)


def factor(conics):
    """L (n, 2, 2) with Σ = L Lᵀ, from the whitened (p, q) to (dy, dx)."""
    a, b, c = conics.double().unbind(1)
    det = a * c - b * b
    zero = torch.zeros_like(a)
    rows = [torch.stack([torch.sqrt(c / det), zero], -1), torch.stack([-b / c * torch.sqrt(c / det), c**-0.5], -1)]
    return torch.stack(rows, -2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_changes_are_drawn_as_the_derivative_of_the_definition(backend):
    means, covariance, conics = scene()
    g = torch.Generator().manual_seed(1)
    weights, dw = torch.randn(2, len(means), generator=g).double()
    shift, s = torch.randn(len(means), 2, generator=g).double(), torch.randn(len(means), 3, generator=g).double()
    stretch = torch.stack([s[:, :2], s[:, 1:]], 1)
    ell = factor(conics)

    def drawn(w, m, sigma):
        return splat(m, conics_of(sigma), w, SHAPE, backend="dense")

    values = weights, means.double(), covariance.double()
    changes = dw, (ell @ shift[..., None])[..., 0], ell @ stretch @ ell.mT
    _, expected = jvp(drawn, values, changes)
    w, pp, pq, qq = weights, s[:, 0], s[:, 1], s[:, 2]
    coefficients = torch.stack(
        [dw + w * (pp + qq) / 4, w * shift[:, 0], w * shift[:, 1], w * pp / 2, w * qq / 2, w * pq], 1
    )
    found = tangent_of(means, conics, backend)[0](coefficients.float())
    assert (found - expected).abs().max() < 2e-4 * expected.abs().max()


@pytest.mark.parametrize("backend", BACKENDS)
def test_projecting_is_the_transpose_of_drawing(backend):
    means, _, conics = scene()
    (draw, project), g = tangent_of(means, conics, backend), torch.Generator().manual_seed(2)
    coefficients, image = torch.randn(len(means), 6, generator=g), torch.randn(SHAPE, generator=g)
    forth = (draw(coefficients).double() * image).sum()
    back = (coefficients.double() * project(image)).sum()
    assert forth.item() == pytest.approx(back.item(), rel=1e-4)
    assert abs(forth) > 1


def test_the_columns_of_a_wide_gaussian_are_orthogonal_with_the_norms_that_are_told():
    sigma, shape = torch.tensor([7.0, 4.0]), (81, 81)
    conics = conics_of(torch.diag(sigma**2)[None])
    tangent = Tangent(torch.tensor([[40.0, 40.0]]), conics, shape)
    gram = torch.cat([tangent.project(tangent.draw(column[None])) for column in torch.eye(6)])
    expected = math.pi * 28 * torch.diag(torch.tensor([1.0, 0.5, 0.5, 0.5, 0.5, 0.25]))
    torch.testing.assert_close(gram, expected, rtol=0, atol=0.01 * math.pi * 28)


@pytest.mark.parametrize("backend", BACKENDS)
def test_degenerate_gaussians_draw_no_change_and_see_nothing(backend):
    means, _, conics = scene(6)
    conics[0], conics[1], means[2] = torch.tensor([1.0, 2.0, 1.0]), math.nan, math.nan
    draw, project = tangent_of(means, conics, backend)
    changes = torch.zeros(6, 6)
    changes[:3] = 1
    assert draw(changes).abs().max() == 0
    moments = project(torch.ones(SHAPE))
    assert moments[:3].abs().max() == 0
    assert moments[3:].abs().max() > 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_several_images_change_and_are_projected_as_each_alone(backend):
    means, _, conics = (tensor.to(DEVICES[backend]) for tensor in scene(9))
    counts, g = [4, 0, 5], torch.Generator().manual_seed(4)
    coefficients, images = torch.randn(9, 6, generator=g).to(means), torch.randn(3, *SHAPE, generator=g).to(means)
    together = Tangent(means, conics, SHAPE, counts=counts, backend=backend)
    parts = zip(means.split(counts), conics.split(counts), strict=True)
    apart = [Tangent(*part, SHAPE, backend=backend) for part in parts]
    drawn = [alone.draw(c) for alone, c in zip(apart, coefficients.split(counts), strict=True)]
    torch.testing.assert_close(together.draw(coefficients), torch.stack(drawn), rtol=1e-5, atol=1e-6)
    moments = [alone.project(image) for alone, image in zip(apart, images, strict=True)]
    torch.testing.assert_close(together.project(images), torch.cat(moments), rtol=1e-5, atol=1e-6)
