from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from napari_emgauss.forward.cuts import Cuts
from napari_emgauss.forward.pose import index_map, rotation_from_vector
from napari_emgauss.forward.slices import SlicePlane, cut_by, draw_slice
from napari_emgauss.gaussians import GaussianTerms, SolidGaussians, transform
from napari_emgauss.gaussians.algebra import evaluate
from napari_emgauss.gaussians.solid import SOLID_COLUMNS
from napari_emgauss.slices.motion import affines

BLUR = torch.tensor([0.6, 0.3, 0.35]).double()


def solids(n: int = 12, seed: int = 0) -> SolidGaussians:
    """Return Gaussians of 0.7 to 1.5 mm within ± 4 mm."""
    g = torch.Generator().manual_seed(seed)
    values = {name: torch.randn(n, *own, generator=g) for name, own in SOLID_COLUMNS.items()}
    values["mean"] = torch.rand(n, 3, generator=g) * 8 - 4
    values["log_scale"] = torch.log(torch.rand(n, 3, generator=g) * 0.8 + 0.7)
    return SolidGaussians(values)


def round_solids(n: int = 12) -> SolidGaussians:
    """Return Gaussians whose cuts are ellipses along rows and columns."""
    own = solids(n)
    return SolidGaussians.round(own.mean.detach(), 1.1, own.amplitude.detach())


def oblique_affine() -> torch.Tensor:
    """Return a slice's affine: 2.5 mm from slice to slice, pixels of 0.9 × 1.1 mm, turned."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix() * [2.5, 0.9, 1.1]
    affine[:3, 3] = affine[:3, :3] @ [-2.0, -7.0, -6.0]
    return torch.from_numpy(affine)


MOTION = torch.tensor([0.05, -0.08, 0.1, 0.4, -0.3, 0.6], dtype=torch.float64)
PIVOT = torch.tensor([0.5, 0.3, -0.2], dtype=torch.float64)


def plane(motion: torch.Tensor = MOTION, s: int = 2, shape: tuple[int, int] = (15, 13)) -> SlicePlane:
    matrix, offset = index_map(motion, PIVOT, oblique_affine())
    return SlicePlane(matrix, offset - torch.tensor([s, 0, 0]), BLUR, shape)


def test_rotations_are_those_of_scipy():
    vectors = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = Rotation.from_rotvec(vectors.numpy()).as_matrix()
    torch.testing.assert_close(rotation_from_vector(vectors), torch.from_numpy(expected))


def test_the_index_map_undoes_header_and_motion():
    index = np.array([1.5, 3.0, -2.0])
    header = oblique_affine().numpy() @ [*index, 1]
    true = affines(MOTION[None].numpy(), PIVOT[None].numpy())[0] @ header
    matrix, offset = index_map(MOTION, PIVOT, oblique_affine())
    np.testing.assert_allclose(matrix.numpy() @ true[:3] + offset.numpy(), index, atol=1e-12)


def quadrature(terms: GaussianTerms, own: SlicePlane, pixels: torch.Tensor) -> torch.Tensor:
    """Return the integral of the field with the point spread around pixels (m, 2), by the midpoint rule."""
    steps = (torch.arange(23).double() - 11) * 0.45
    weights = torch.exp(-0.5 * steps**2)
    offsets = torch.cartesian_prod(steps, steps, steps) * torch.sqrt(own.blur)
    weights = torch.cartesian_prod(weights, weights, weights).prod(1)
    centres = torch.cat([torch.zeros(len(pixels), 1, dtype=torch.float64), pixels], 1)
    index = (centres[:, None] + offsets).reshape(-1, 3)
    places = torch.linalg.solve(own.matrix, (index - own.offset).T).T
    values = evaluate(GaussianTerms(*(part.double() for part in terms)), places).reshape(len(pixels), -1)
    return (values * weights).sum(1) / weights.sum()


def test_a_slice_is_the_integral_of_the_field_with_the_point_spread():
    terms = GaussianTerms(*(part.detach() for part in solids().terms()))
    pixels = torch.tensor([[4, 5], [7, 6], [9, 3], [6, 9]])
    expected = quadrature(terms, plane(), pixels.double())
    image = draw_slice(terms, plane())
    # What is cut off beyond 3.33 standard deviations is at most 1/255 of a Gaussian's peak; see the next test.
    assert float(expected.abs().max()) > 0.3
    torch.testing.assert_close(image[pixels[:, 0], pixels[:, 1]].double(), expected, rtol=0, atol=8e-3)


def test_near_its_peak_a_gaussian_is_drawn_to_four_digits():
    terms = GaussianTerms(*(part.detach() for part in solids(1, seed=3).terms()))
    own = plane()
    centre = own.matrix @ terms.mean[0].double() + own.offset
    own = SlicePlane(own.matrix, own.offset - torch.tensor([float(centre[0]) - 0.3, 0, 0]), BLUR, own.shape)
    pixel = torch.round(centre[1:]).long()
    drawn = draw_slice(terms, own)[pixel[0], pixel[1]].double()
    torch.testing.assert_close(drawn, quadrature(terms, own, pixel[None].double())[0], rtol=1e-4, atol=0)


def test_one_rigid_motion_of_slices_and_gaussians_changes_nothing():
    rigid = torch.eye(4, dtype=torch.float64)
    rigid[:3, :3] = rotation_from_vector(torch.tensor([0.9, -1.2, 0.4], dtype=torch.float64))
    rigid[:3, 3] = torch.tensor([12.0, -5.0, 3.0])
    terms = GaussianTerms(*(part.detach() for part in solids().terms()))
    moved = transform(terms, rigid[:3, :3].float(), rigid[:3, 3].float())
    own = plane()
    matrix = own.matrix @ rigid[:3, :3].T
    there = SlicePlane(matrix, own.offset - matrix @ rigid[:3, 3], BLUR, own.shape)
    torch.testing.assert_close(draw_slice(moved, there), draw_slice(terms, own), rtol=1e-4, atol=2e-5)


def test_gradients_of_a_cut_are_those_of_finite_differences_in_gaussians_and_motion():
    own = solids(3)
    factors = torch.linalg.cholesky(own.covariance().detach().double())
    pixels = torch.tensor([[4, 5], [7, 6], [9, 3]]).double()

    def values(mean: torch.Tensor, factor: torch.Tensor, amplitude: torch.Tensor, motion: torch.Tensor) -> torch.Tensor:
        terms = GaussianTerms(mean, factor @ factor.transpose(1, 2), amplitude)
        return evaluate(cut_by(terms, plane(motion)), pixels)

    inputs = (own.mean.detach().double(), factors, own.amplitude.detach().double(), MOTION)
    assert torch.autograd.gradcheck(values, [part.clone().requires_grad_() for part in inputs])


@pytest.mark.parametrize("name", [*SOLID_COLUMNS, "motion"])
def test_gradients_of_a_drawn_slice_are_those_of_the_cut(name):
    own, motion = solids(), MOTION.clone().requires_grad_()
    image = draw_slice(own.terms(), plane(motion))
    pixels = torch.cartesian_prod(*(torch.arange(n) for n in image.shape)).float()
    exact = evaluate(cut_by(own.terms(), plane(motion)), pixels).reshape(image.shape)
    upstream = torch.cos(torch.arange(image.numel()).float()).reshape(image.shape)
    parameter = motion if name == "motion" else getattr(own, name)
    found, expected = (torch.autograd.grad((i * upstream).sum(), parameter)[0].ravel() for i in (image, exact))
    # They differ by what is drawn of no Gaussian: its last 1/255.
    assert float((found - expected).norm()) < 0.04 * float(expected.norm())


def all_planes() -> list[SlicePlane]:
    still = plane(0 * MOTION, s=2, shape=(9, 20))
    return [plane(s=s, shape=(15, 13)) for s in range(4)] + [still, replace(still, depths=(-0.4, 0.4))]


@pytest.mark.parametrize("solids", [solids, round_solids])
def test_cuts_draw_what_slices_are_one_by_one(solids):
    own = solids()
    cuts = Cuts(own.mean, own.covariance(), all_planes())
    pixels = cuts.draw(own.amplitude.detach().numpy())
    for s, each in enumerate(all_planes()):
        expected = draw_slice(own.terms(), each).detach().numpy()
        np.testing.assert_allclose(cuts.layout.image(pixels, s), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("solids", [solids, round_solids])
def test_projecting_is_the_transpose_of_drawing(solids):
    own, rng = solids(), np.random.default_rng(0)
    cuts = Cuts(own.mean, own.covariance(), all_planes())
    amplitude = rng.standard_normal(len(own)).astype(np.float32)
    images = [rng.standard_normal(each.shape) for each in all_planes()]
    pixels = cuts.layout.row(images)
    assert float(cuts.draw(amplitude) @ pixels) == pytest.approx(float(amplitude @ cuts.project(pixels)), rel=1e-4)


def test_derivatives_are_those_of_a_slice_that_moves():
    own = solids(60)
    amplitude = own.amplitude.detach().numpy()
    found = Cuts(own.mean, own.covariance(), [plane()]).derivatives(amplitude, 0)
    np.testing.assert_allclose(found[0], draw_slice(own.terms(), plane()).detach().numpy(), rtol=1e-4, atol=1e-4)
    for axis in range(3):
        step = torch.zeros(3).double()
        step[axis] = 0.01
        # A slice moved towards larger indices sees everything at smaller ones.
        there, back = (
            draw_slice(own.terms(), SlicePlane(plane().matrix, plane().offset - sign * step, BLUR, plane().shape))
            for sign in (1, -1)
        )
        expected = ((there - back) / 0.02).detach().numpy()
        assert np.corrcoef(found[1 + axis].ravel(), expected.ravel())[0, 1] > 0.995
        assert np.abs(found[1 + axis] - expected).mean() < 0.05 * np.abs(expected).mean()


def test_a_slice_of_two_depths_is_the_mean_of_the_slices_there():
    terms, own = GaussianTerms(*(part.detach() for part in solids().terms())), plane()
    depths = [torch.tensor([depth, 0.0, 0.0]).double() for depth in (-0.4, 0.7)]
    apart = [draw_slice(terms, replace(own, offset=own.offset - depth)) for depth in depths]
    torch.testing.assert_close(draw_slice(terms, replace(own, depths=(-0.4, 0.7))), sum(apart) / 2)


def test_a_gaussian_out_of_reach_is_in_no_cut():
    far = SolidGaussians.round(torch.tensor([[0.0, 0, 0], [500.0, 0, 0]]), 1.0, torch.ones(2))
    assert Cuts(far.mean, far.covariance(), all_planes()).reached().tolist() == [True, False]
