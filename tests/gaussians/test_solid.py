from __future__ import annotations

import pytest
import torch
from scipy.spatial.transform import Rotation

from napari_emgauss.gaussians import SolidGaussians
from napari_emgauss.gaussians.solid import SOLID_COLUMNS, covariance_from, rotation_from


def random_solids(n: int = 6, seed: int = 0) -> SolidGaussians:
    g = torch.Generator().manual_seed(seed)
    return SolidGaussians({name: torch.randn(n, *own, generator=g) for name, own in SOLID_COLUMNS.items()})


def test_rotations_are_those_of_scipy():
    q = torch.randn(20, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = Rotation.from_quat(q.numpy(), scalar_first=True).as_matrix()
    torch.testing.assert_close(rotation_from(q), torch.from_numpy(expected))


def test_covariances_have_the_squared_scales_as_eigenvalues():
    own = random_solids()
    scales = torch.linalg.eigvalsh(own.covariance().detach().double()).sqrt()
    torch.testing.assert_close(scales, torch.exp(own.log_scale.detach().double()).sort(1).values, rtol=1e-4, atol=1e-5)


def test_the_length_of_a_quaternion_does_not_matter():
    own = random_solids()
    torch.testing.assert_close(
        covariance_from(own.log_scale, 7 * own.quaternion), covariance_from(own.log_scale, own.quaternion)
    )


@pytest.mark.parametrize("log_scale", [-1e6, 1e6])
def test_covariances_stay_positive_and_finite_whatever_the_parameters(log_scale):
    covariance = covariance_from(torch.full((1, 3), log_scale), torch.tensor([[1.0, 0, 0, 0]]))[0]
    assert bool(torch.isfinite(covariance).all())
    assert bool((torch.diagonal(covariance) > 0).all())


def test_round_gaussians_have_one_scale():
    own = SolidGaussians.round(torch.zeros(2, 3), torch.tensor([0.5, 2.0]), torch.ones(2))
    torch.testing.assert_close(own.covariance(), torch.tensor([0.25, 4.0])[:, None, None] * torch.eye(3))


def test_gradients_reach_all_parameters():
    own = random_solids()
    sum(part.sum() for part in own.terms()).backward()
    assert all(bool(getattr(own, name).grad.abs().sum() > 0) for name in SOLID_COLUMNS)


def test_a_state_of_another_number_of_gaussians_is_taken():
    own, other = random_solids(3), random_solids(8)
    own.load_state_dict(other.state_dict())
    assert len(own) == 8
    torch.testing.assert_close(own.mean, other.mean)


def test_a_state_whose_parts_disagree_on_their_number_is_refused():
    state = random_solids(8).state_dict()
    state["amplitude"] = state["amplitude"][:5]
    with pytest.raises(RuntimeError, match="size mismatch"):
        random_solids(3).load_state_dict(state)
