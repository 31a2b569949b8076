import math

import pytest
import torch

from napari_emgauss.forward import MlpField, SectionModel
from napari_emgauss.gaussians import DensityConfig, DensityControl, Gaussians
from napari_emgauss.gaussians.density import Surgery
from napari_emgauss.training import Rate, Schedule, Stage
from napari_emgauss.training.hooks import DensityHook, MovingAverage
from napari_emgauss.training.optimiser import Optimiser


class Rules(DensityControl):
    """Rules that keep 0, 2 and 3 and split 1 into two children, after every step."""

    def due(self, iteration):
        return True

    def propose(self, members, generator):
        children = {name: value[[1, 1]] + 0.25 for name, value in members.values().items()}
        return Surgery(torch.tensor([0, 2, 3]), children)

    def reset_due(self, iteration):
        return iteration == 9


@pytest.fixture
def model() -> SectionModel:
    values = {
        "mean_px": torch.rand(4, 2, generator=torch.Generator().manual_seed(0)) * 30,
        "log_scale": torch.zeros(4, 2),
        "angle_rad": torch.linspace(0, 1, 4),
        "opacity_logit": torch.full((4,), math.log(9.0)),
        "intensity": torch.ones(4),
    }
    return SectionModel(Gaussians(values), MlpField((0.0, 1.0), (30, 30), depth=2, width=4), (30, 30), mode="sum")


def optimiser_of(model) -> Optimiser:
    rates = {"gaussians": Rate(0.1, 0.1), "field": Rate(0.1, 0.1)}
    return Optimiser(dict(model.named_parameters()), Schedule(stages=(Stage(name="all", iterations=20),), rates=rates))


def hook_of(model, **settings) -> DensityHook:
    return DensityHook(
        Rules(DensityConfig(start=0, stop=100, reset_every=10, max_gaussians=9), 30),
        model,
        "gaussians",
        seed=0,
        **settings,
    )


def trained(model, optimiser) -> None:
    for iteration in range(3):
        optimiser.begin(iteration)
        (model(0.5).square().mean() + sum(p.square().sum() for p in model.gaussians.parameters())).backward()
        optimiser.step()


def test_the_kept_ones_keep_their_moments_and_children_start_without(model):
    optimiser = optimiser_of(model)
    trained(model, optimiser)
    state = optimiser.adam.state
    before = {n: {k: v.clone() for k, v in state[p].items()} for n, p in model.named_parameters()}
    hook_of(model).after_step(0, 1, optimiser)
    after = {n: state[p] for n, p in model.named_parameters()}
    for name, old in before.items():
        assert after[name]["step"] == old["step"]
        for moment in ("exp_avg", "exp_avg_sq"):
            if name.startswith("field"):
                assert torch.equal(after[name][moment], old[moment])
            else:
                assert torch.equal(after[name][moment][:3], old[moment][[0, 2, 3]])
                assert not after[name][moment][3:].any()
    moved = {id(p) for group in optimiser.adam.param_groups for p in group["params"]}
    assert moved == {id(p) for p in model.parameters()} == {id(p) for p in optimiser.parameters.values()}


def test_the_average_follows_and_its_children_start_from_the_students(model):
    average = MovingAverage(model, decay=0.9)
    average.start()
    with torch.no_grad():
        model.gaussians.intensity.add_(1.0)
    optimiser = optimiser_of(model)
    average.after_step(0, 1, optimiser)
    assert average.model.gaussians.intensity == pytest.approx(torch.full((4,), 1.1))
    hook_of(model, average=average).after_step(0, 1, optimiser)
    assert average.model.gaussians.intensity.tolist() == pytest.approx([1.1] * 3 + [2.25] * 2)
    assert not any(p.requires_grad for p in average.model.parameters())
    average.after_step(1, 1, optimiser)
    assert torch.isfinite(average.model.render(0.3)).all()


def test_a_reset_forgets_the_moments_of_what_it_changed(model):
    optimiser = optimiser_of(model)
    trained(model, optimiser)
    hook_of(model).after_step(9, 1, optimiser)
    state = optimiser.adam.state
    assert not state[model.gaussians.opacity_logit]["exp_avg"].any()
    assert state[model.gaussians.intensity]["exp_avg"].any()
    assert torch.sigmoid(model.gaussians.opacity_logit).max() <= 0.0101


def test_its_state_is_restored(model):
    hook = hook_of(model)
    hook.rules.gradient_sum, hook.rules.count = torch.arange(4.0), 3
    torch.rand(2, generator=hook.generator)
    again = hook_of(model)
    again.restore(*hook.state())
    assert torch.equal(again.rules.gradient_sum, torch.arange(4.0))
    assert again.rules.count == 3
    assert torch.equal(torch.rand(2, generator=again.generator), torch.rand(2, generator=hook.generator))
