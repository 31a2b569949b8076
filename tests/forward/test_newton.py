"""Gauss-Newton steps of a section in a block."""

import copy

import numpy as np
import pytest
import torch

from napari_emgauss.forward import NewtonTarget, newton_step
from napari_emgauss.methods.emgauss import preset
from napari_emgauss.methods.emgauss.model import build_model
from napari_emgauss.phantoms import phantom


@pytest.fixture
def sections() -> np.ndarray:
    return np.asarray(phantom((4, 48, 40), seed=0).data, np.float32)[:4] / 255


@pytest.fixture
def model(sections):
    return build_model(preset("balanced", motion="none"), [0.0, 1.0, 2.5, 3.0], sections, np.random.default_rng(0))


def test_a_step_moves_the_gaussians_of_its_section_only(model, sections):
    before = {name: values.clone() for name, values in model.gaussians.values().items()}
    newton_step(model, 2, [NewtonTarget(torch.from_numpy(sections[2]))])
    first, last = model.field.offsets[2:4]
    for name, values in model.gaussians.values().items():
        changed = (values != before[name]).reshape(len(values), -1).any(1)
        assert not changed[:first].any()
        assert not changed[last:].any()
        assert changed[first:last].float().mean() > 0.9 or name == "opacity_logit"


@pytest.mark.parametrize("lambda_dssim", [None, 0.2])
def test_steps_draw_the_section_ever_better(model, sections, lambda_dssim):
    image = torch.from_numpy(sections[1])
    start = (model.render(1.0) - image).abs().mean().item()
    target = NewtonTarget(image, lambda_dssim=lambda_dssim)
    told = [newton_step(model, 1, [target], weights_only=k == 0)[0].item() for k in range(4)]
    assert told[0] == pytest.approx(start, rel=1e-5)
    assert told == sorted(told, reverse=True)
    assert (model.render(1.0) - image).abs().mean() < 0.7 * start


def test_the_first_step_changes_intensities_only(model, sections):
    before = {name: values.clone() for name, values in model.gaussians.values().items()}
    newton_step(model, 0, [NewtonTarget(torch.from_numpy(sections[0]))], weights_only=True)
    changed = {name for name, values in model.gaussians.values().items() if not torch.equal(values, before[name])}
    assert changed == {"intensity"}


@pytest.mark.parametrize("weights_only", [True, False])
def test_sections_solved_side_by_side_come_out_as_one_after_the_other(model, sections, weights_only):
    weight = torch.linspace(0.5, 1.5, 40).expand(48, 40)
    images = [torch.from_numpy(section) for section in sections]
    targets = [NewtonTarget(image, *(() if k % 2 else (weight, None))) for k, image in enumerate(images)]
    targets[1] = NewtonTarget(images[1], lambda_dssim=0.2)
    together = copy.deepcopy(model)
    losses = newton_step(together, 0, targets, weights_only=weights_only)
    alone = [newton_step(model, k, [target], weights_only=weights_only)[0] for k, target in enumerate(targets)]
    torch.testing.assert_close(torch.stack(losses), torch.stack(alone))
    ours, expected = together.gaussians.values(), model.gaussians.values()
    for name, values in ours.items():
        torch.testing.assert_close(values, expected[name], atol=1e-4, rtol=1e-4)
