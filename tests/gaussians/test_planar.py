"""Sets of 2D Gaussians and their conics."""

import math

import numpy as np
import pytest
import torch

from napari_emgauss.gaussians import (
    Gaussians,
    conics_from,
)


def make(n=4, scale_px=1.0, opacity=0.5):
    return Gaussians(
        {
            "mean_px": torch.rand(n, 2, generator=torch.Generator().manual_seed(0)) * 30,
            "log_scale": torch.full((n, 2), math.log(scale_px)),
            "angle_rad": torch.linspace(0, 1, n),
            "opacity_logit": torch.full((n,), math.log(opacity / (1 - opacity))),
            "intensity": torch.ones(n),
        }
    )


def test_conics_are_the_inverse_of_the_rotated_covariance():
    log_scale, angle = torch.tensor([[0.3, -0.7]], dtype=torch.float64), torch.tensor([0.6], dtype=torch.float64)
    c, s = math.cos(0.6), math.sin(0.6)
    rotation = np.array([[c, -s], [s, c]])
    inverse = np.linalg.inv(rotation @ np.diag(np.exp([0.6, -1.4])) @ rotation.T)
    conics, peak = conics_from(log_scale, angle)
    assert conics[0].numpy() == pytest.approx([inverse[0, 0], inverse[0, 1], inverse[1, 1]])
    assert peak == pytest.approx(1)


def test_blurring_keeps_the_integral():
    log_scale, angle = torch.tensor([[0.2, 1.0]]), torch.tensor([0.4])
    sharp, _ = conics_from(log_scale, angle)
    blurred, peak = conics_from(log_scale, angle, blur_px=1.5)

    def area(conic):
        return 2 * math.pi / math.sqrt(conic[0] * conic[2] - conic[1] ** 2)

    assert area(blurred[0]) * float(peak) == pytest.approx(area(sharp[0]), rel=1e-5)


@pytest.mark.parametrize("blur_px", [0.3, 2.0])
def test_blurring_adds_its_variance_to_the_covariance(blur_px):
    log_scale, angle = torch.tensor([[0.2, 1.0]], dtype=torch.float64), torch.tensor([0.4], dtype=torch.float64)

    def covariance(blur):
        yy, yx, xx = conics_from(log_scale, angle, blur_px=blur)[0][0].tolist()
        return np.linalg.inv([[yy, yx], [yx, xx]])

    assert covariance(blur_px) == pytest.approx(covariance(0) + blur_px**2 * np.eye(2))


@pytest.mark.parametrize("count", [0, 3, 4, 9])
def test_a_state_of_any_number_of_gaussians_is_loaded_into_the_same_parameters(count):
    model, other = torch.nn.ModuleDict({"gaussians": make(4)}), torch.nn.ModuleDict({"gaussians": make(count, 2.0)})
    model.gaussians.intensity.requires_grad_(requires_grad=False)
    model.gaussians.mean_px.sum().backward()
    before = dict(model.named_parameters())
    model.load_state_dict(other.state_dict(), strict=True)
    assert len(model.gaussians) == count
    for name, parameter in model.named_parameters():
        assert parameter is before[name]
        assert parameter.requires_grad == (name != "gaussians.intensity")
        torch.testing.assert_close(parameter.detach(), other.get_parameter(name).detach())
    model.gaussians.mean_px.sum().backward()
    assert model.gaussians.mean_px.grad.shape == (count, 2)
    assert model.get_parameter("gaussians.mean_px").data_ptr() != other.gaussians.mean_px.data_ptr() or count == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean_px", torch.zeros(4, 2)),
        ("angle_rad", torch.zeros(6)),
        ("log_scale", torch.zeros(5, 3)),
        ("intensity", None),
    ],
)
def test_a_state_whose_tensors_disagree_is_refused_and_resizes_nothing(name, value):
    state, gaussians = make(5).state_dict(), make(4)
    state[name] = value
    if value is None:
        del state[name]
    with pytest.raises(RuntimeError, match="size mismatch"):
        gaussians.load_state_dict(state, strict=True)
    assert len(gaussians) == 4
