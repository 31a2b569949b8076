"""Cloning, splitting, pruning and opacity resets."""

import math

import pytest
import torch

from napari_emgauss.gaussians import (
    DensityConfig,
    DensityControl,
    Gaussians,
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


def control(**changes):
    settings = {"start": 0, "stop": 100, "every": 10, "reset_every": 50, "max_gaussians": 100, **changes}
    return DensityControl(DensityConfig(**settings), extent_px=100)


def observe(density, gaussians, gradients):
    gaussians.mean_px.grad = torch.tensor(gradients)[:, None] * torch.tensor([[1.0, 0.0]])
    density.observe(gaussians)


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


def test_a_full_set_grows_no_further():
    gaussians, density = make(6, scale_px=3.0), control(max_gaussians=4)
    observe(density, gaussians, [1.0] * 6)
    surgery = density.propose(gaussians, torch.Generator())
    assert surgery.keep.tolist() == [0, 1, 2, 3, 4, 5]
    assert len(surgery.children["mean_px"]) == 0


def test_rounds_come_at_their_interval_between_start_and_stop():
    density = control(start=20, stop=50, every=10)
    assert [i for i in range(100) if density.due(i)] == [29, 39, 49]


def test_gradients_are_averaged_over_the_rounds_iterations_and_then_forgotten():
    gaussians, density = make(scale_px=0.5), control(grow_gradient=20.0)
    observe(density, gaussians, [0.9, 0.0, 0.0, 0.0])  # 45 in units of half a section
    observe(density, gaussians, [0.0, 0.0, 0.0, 0.0])
    assert len(density.propose(gaussians, torch.Generator()).children["mean_px"]) == 1
    assert len(density.propose(gaussians, torch.Generator()).children["mean_px"]) == 0


def test_children_of_a_split_lie_in_their_parent():
    gaussians, density = make(1, scale_px=3.0), control()
    with torch.no_grad():
        gaussians.log_scale[0, 1] = math.log(0.01)  # a needle along its first axis, turned by a right angle
        gaussians.angle_rad[0] = math.pi / 2
    observe(density, gaussians, [1.0])
    children = density.propose(gaussians, torch.Generator().manual_seed(0)).children["mean_px"]
    offset = (children - gaussians.mean_px.detach()).abs()
    assert offset[:, 0].max() < 0.1
    assert offset[:, 1].min() > 0.1


def test_opacities_are_reset_when_due():
    gaussians, density = make(opacity=0.9), control()
    assert not density.reset_due(48)
    assert density.reset_due(49)
    assert density.reset(gaussians) == ("opacity_logit",)
    assert torch.sigmoid(gaussians.opacity_logit).max() <= 0.0101
