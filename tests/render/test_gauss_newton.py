"""Gauss-Newton steps on images that Gaussians can draw."""

import math

import torch

from napari_emgauss.gaussians import conics_from
from napari_emgauss.render import gauss_newton_step, splat
from napari_emgauss.render.gauss_newton import MOST_SHIFT, MOST_STRETCH, conjugate_gradients

SHAPE = (48, 56)


def gaussians(seed=0, spacing=5.0):
    g = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(2.0, SHAPE[0], spacing), torch.arange(2.0, SHAPE[1], spacing), indexing="ij")
    mean = torch.stack([y.flatten(), x.flatten()], 1)
    n = len(mean)
    return {
        "mean_px": mean + 0.8 * torch.randn(n, 2, generator=g),
        "log_scale": math.log(3.0) + 0.2 * torch.randn(n, 2, generator=g),
        "angle_rad": 3.14 * torch.rand(n, generator=g),
        "opacity_logit": torch.zeros(n),
        "intensity": 0.3 + 0.2 * torch.rand(n, generator=g),
    }


def drawn(values):
    conics, _ = conics_from(values["log_scale"], values["angle_rad"])
    return splat(values["mean_px"], conics, values["intensity"], SHAPE)


def step(values, image, **options):
    return gauss_newton_step(values, image - drawn(values), torch.ones(SHAPE), **options)


def error(values, image):
    return (drawn(values) - image).square().mean().item()


def test_conjugate_gradients_solve_a_system_in_as_many_steps_as_it_has_unknowns():
    root = torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix, b = root @ root.T + torch.eye(6), torch.arange(6.0, dtype=torch.float64)
    x = conjugate_gradients(lambda v: matrix @ v, b, 6)
    torch.testing.assert_close(matrix @ x, b)
    torch.testing.assert_close(conjugate_gradients(lambda v: matrix @ v, b, 20), x)


def test_weights_alone_are_found_where_only_they_differ():
    truth = gaussians()
    start = {**truth, "intensity": torch.zeros_like(truth["intensity"])}
    moved = step(start, drawn(truth), iterations=8, weights_only=True)
    assert error(moved, drawn(truth)) < 3e-3 * error(start, drawn(truth))
    assert all(moved[name] is start[name] for name in start if name != "intensity")


def test_steps_find_means_and_covariances_that_differ_a_little():
    truth, start = gaussians(), gaussians()
    g = torch.Generator().manual_seed(7)
    start["mean_px"] = start["mean_px"] + 0.5 * torch.randn(start["mean_px"].shape, generator=g)
    start["log_scale"] = start["log_scale"] + 0.1 * torch.randn(start["log_scale"].shape, generator=g)
    image, values = drawn(truth), start
    errors = [error(values, image)]
    for _ in range(4):
        values = step(values, image, iterations=5)
        errors.append(error(values, image))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01 * errors[0]


def test_a_step_is_the_same_after_everything_was_turned_by_90_degrees():
    values, image = gaussians(), drawn(gaussians(seed=3))
    turned = dict(values)
    turned["mean_px"] = torch.stack([SHAPE[1] - 1 - values["mean_px"][:, 1], values["mean_px"][:, 0]], 1)
    turned["angle_rad"] = values["angle_rad"] + math.pi / 2
    conics, _ = conics_from(turned["log_scale"], turned["angle_rad"])
    other = splat(turned["mean_px"], conics, turned["intensity"], SHAPE[::-1])
    torch.testing.assert_close(other, torch.rot90(drawn(values)), rtol=1e-3, atol=1e-4)
    moved = step(values, image, iterations=4)
    slope = torch.rot90(image) - other
    there = gauss_newton_step(turned, slope, torch.ones(SHAPE[::-1]), iterations=4)
    conics, _ = conics_from(there["log_scale"], there["angle_rad"])
    after = splat(there["mean_px"], conics, there["intensity"], SHAPE[::-1])
    torch.testing.assert_close(after, torch.rot90(drawn(moved)), rtol=1e-2, atol=2e-3)
    assert (after - other).abs().max() > 0.05


def test_a_step_is_limited_however_far_the_image_is():
    values = gaussians()
    moved = step(values, 1e3 * torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)), iterations=3)
    largest = torch.exp(values["log_scale"].amax(1))
    assert ((moved["mean_px"] - values["mean_px"]).norm(dim=1) <= MOST_SHIFT * largest * 1.001).all()
    before, after = values["log_scale"].sum(1), moved["log_scale"].sum(1)
    assert ((after - before).abs() <= MOST_STRETCH * 1.001).all()


def test_pixels_without_curvature_do_not_count():
    values, image = gaussians(), drawn(gaussians(seed=3))
    curvature = torch.zeros(SHAPE)
    curvature[:, :28] = 1
    spoiled = torch.where(curvature > 0, image, 1e3 * torch.ones(SHAPE))
    results = [
        gauss_newton_step(values, curvature * (target - drawn(values)), curvature, iterations=4)
        for target in (image, spoiled)
    ]
    assert all(torch.equal(results[0][name], results[1][name]) for name in values)


def test_a_gaussian_that_is_not_drawn_stays_as_it_is():
    values = gaussians()
    values["mean_px"][0] = math.nan
    moved = step(values, drawn(gaussians(seed=3)), iterations=3)
    assert torch.isnan(moved["mean_px"][0]).all()
    assert torch.equal(moved["log_scale"][0], values["log_scale"][0])
    assert torch.isfinite(moved["mean_px"][1:]).all()
