"""Optimisers whose parameters change in number."""

import math

import torch

from napari_emgauss.forward import MlpField, SectionModel
from napari_emgauss.gaussians import (
    Gaussians,
)
from napari_emgauss.gaussians.density import Surgery
from napari_emgauss.training.optimiser import apply_surgery


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


def model_of(gaussians):
    return SectionModel(gaussians, MlpField((0.0, 1.0), (30, 30), depth=2, width=4), (30, 30), mode="sum")


def surgery_on(gaussians):
    """Keep 0, 2 and 3, split 1 into two children."""
    children = {name: value[[1, 1]] + 0.25 for name, value in gaussians.values().items()}
    return Surgery(torch.tensor([0, 2, 3]), children)


def test_the_kept_ones_keep_their_moments_and_children_start_without():
    model = model_of(make())
    adam = torch.optim.Adam([{"params": [p]} for p in model.parameters()], lr=0.1)
    for _ in range(3):
        adam.zero_grad()
        (model(0.5).square().mean() + sum(p.square().sum() for p in model.gaussians.parameters())).backward()
        adam.step()
    before = {n: {k: v.clone() for k, v in adam.state[p].items()} for n, p in model.named_parameters()}
    apply_surgery(model, adam, surgery_on(model.gaussians))
    after = {n: adam.state[p] for n, p in model.named_parameters()}
    for name, old in before.items():
        assert after[name]["step"] == old["step"]
        for moment in ("exp_avg", "exp_avg_sq"):
            if name.startswith("field"):
                assert torch.equal(after[name][moment], old[moment])
            else:
                assert torch.equal(after[name][moment][:3], old[moment][[0, 2, 3]])
                assert not after[name][moment][3:].any()
    trained = {id(p) for group in adam.param_groups for p in group["params"]}
    assert trained == {id(p) for p in model.parameters()}
