import math

import numpy as np
import pytest
import torch

from napari_emgauss.gaussians import DensityConfig, DensityControl, Gaussians, anchored_grid, conics_from
from napari_emgauss.render import splat


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


def control(**changes):
    settings = {"start": 0, "stop": 100, "every": 10, "reset_every": 50, "max_gaussians": 100, **changes}
    return DensityControl(DensityConfig(**settings), extent_px=100)


def observe(density, gaussians, gradients):
    gaussians.mean_px.grad = torch.tensor(gradients)[:, None] * torch.tensor([[1.0, 0.0]])
    density.observe(gaussians)


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


def test_a_fresh_grid_draws_a_flat_section_flat():
    values, offsets = anchored_grid(
        np.full((2, 40, 30), 0.8, np.float32), spacing_px=2.5, background=0.3, rng=np.random.default_rng(0)
    )
    conics, _ = conics_from(values["log_scale"], values["angle_rad"])
    own = slice(offsets[0], offsets[1])
    image = 0.3 + splat(values["mean_px"][own], conics[own], values["intensity"][own], (40, 30))
    assert image.mean() == pytest.approx(0.8, abs=0.01)
    assert image.std() < 0.08


def test_small_gaussians_with_large_gradients_are_cloned():
    gaussians, density = make(scale_px=0.5), control()
    observe(density, gaussians, [1.0, 0.0, 0.0, 0.0])
    surgery = density.propose(gaussians, torch.Generator())
    assert surgery.keep.tolist() == [0, 1, 2, 3]
    assert surgery.children["mean_px"] == pytest.approx(gaussians.mean_px[:1].detach())


def test_large_ones_are_split_into_two_smaller_ones():
    gaussians, density = make(scale_px=3.0), control()
    observe(density, gaussians, [0.0, 1.0, 0.0, 0.0])
    surgery = density.propose(gaussians, torch.Generator())
    assert surgery.keep.tolist() == [0, 2, 3]
    assert torch.exp(surgery.children["log_scale"]) == pytest.approx(torch.full((2, 2), 3.0 / 1.6))


def test_transparent_ones_are_removed():
    gaussians = make()
    with torch.no_grad():
        gaussians.opacity_logit[2] = -9
    assert control().propose(gaussians, torch.Generator()).keep.tolist() == [0, 1, 3]


def test_the_cap_holds_and_serves_the_strongest_first():
    gaussians, density = make(6, scale_px=0.5), control(max_gaussians=8)
    observe(density, gaussians, [0.1, 0.6, 0.2, 0.5, 0.3, 0.4])
    surgery = density.propose(gaussians, torch.Generator())
    assert len(surgery.keep) + len(surgery.children["intensity"]) == 8
    assert surgery.children["mean_px"] == pytest.approx(gaussians.mean_px[[1, 3]].detach())


def test_opacities_are_reset_when_due():
    gaussians, density = make(opacity=0.9), control()
    assert not density.reset_due(48)
    assert density.reset_due(49)
    density.reset_opacity(gaussians)
    assert torch.sigmoid(gaussians.opacity_logit).max() <= 0.0101
