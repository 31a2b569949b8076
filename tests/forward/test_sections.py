"""Models of a block of sections."""

import copy

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_emgauss.forward import View
from napari_emgauss.methods.emgauss import preset
from napari_emgauss.methods.emgauss.model import build_model


def test_anchored_sections_meet_from_both_sides(anchored):
    at = anchored.render(1.0)
    assert anchored.render(1.0 - 1e-5) == pytest.approx(at, abs=1e-3)
    assert anchored.render(1.0 + 1e-5) == pytest.approx(at, abs=1e-3)


def test_without_motion_the_middle_is_the_mean_of_its_neighbours(sections):
    model = build_model(preset("fast", motion="none"), [0.0, 1.0, 3.0], sections, np.random.default_rng(0))
    mean = (model.render(1.0) + model.render(3.0)) / 2
    assert model.render(2.0) == pytest.approx(mean, abs=1e-4)


def test_a_view_of_a_part_equals_that_part_of_the_whole(anchored):
    whole = anchored.render(0.4)
    assert anchored.render(0.4, View((5, 21, 10, 40))) == pytest.approx(whole[5:21, 10:40], abs=1e-5)


def test_a_constant_stack_starts_constant():
    model = build_model(preset("fast"), [0.0, 1.0], np.full((2, 36, 44), 0.7, np.float32), np.random.default_rng(0))
    for z in (0.0, 0.3, 1.0):
        assert model.render(z) == pytest.approx(torch.full((36, 44), 0.7), rel=0.01)


def test_anchored_gaussians_start_as_their_section_smoothed(sections):
    smooth = gaussian_filter(sections, (0, 4, 4))
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    model = build_model(preset("fast"), [0.0, 1.0, 3.0], smooth, np.random.default_rng(0))
    for z, section in zip((0.0, 1.0, 3.0), smooth, strict=True):
        error = model.render(z).numpy() - section
        assert np.sqrt(np.mean(error**2)) < 0.12 * section.std() + 0.03


def test_several_sections_in_one_pass_equal_one_after_the_other(anchored):
    zs, model = [0.0, 0.3, 1.0, 2.2, 2.2], copy.deepcopy(anchored)
    torch.nn.init.normal_(model.field.up, std=3)
    with torch.no_grad():
        model.gaussians.log_scale[::50] += 2  # wide ones reach over the border
    one_by_one = copy.deepcopy(model)
    images, singles = model.several(zs), [one_by_one(z) for z in zs]
    assert images.shape == (5, 36, 44)
    torch.testing.assert_close(images, torch.stack(singles), atol=1e-4, rtol=1e-3)
    (images**2).sum().backward()
    sum((image**2).sum() for image in singles).backward()
    expected = {name: p.grad for name, p in one_by_one.named_parameters() if p.grad is not None}
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert found.keys() == expected.keys()
    assert {"gaussians.mean_px", "gaussians.intensity", "field.up", "field.down"} <= found.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-3 * float(gradient.abs().max()), rtol=1e-2)
