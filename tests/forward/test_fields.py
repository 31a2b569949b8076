"""Deformation fields."""

import copy

import numpy as np
import pytest
import torch

from napari_emgauss.forward import MlpField
from napari_emgauss.forward.fields import _sampled
from napari_emgauss.gaussians import Gaussians, canonical_grid


def mlp(**changes):
    torch.manual_seed(0)
    field = MlpField((0.0, 4.0), (36, 44), depth=4, width=16, **changes)
    values = canonical_grid(
        np.full((2, 36, 44), 0.5, np.float32), spacing_px=3, opacity=0.3, rng=np.random.default_rng(0)
    )
    return field, Gaussians(values)


def shake(field):
    torch.nn.init.normal_(field.head.weight, std=0.1, generator=torch.Generator().manual_seed(1))


def test_an_observed_section_is_drawn_from_its_own_gaussians_only(anchored):
    offsets = anchored.field.offsets
    for z, own in ((0.0, 0), (1.0, 1), (3.0, 2)):
        assert len(anchored.field.deform(anchored.gaussians, z).mean_px) == offsets[own + 1] - offsets[own]


def test_the_network_starts_by_moving_nothing():
    field, gaussians = mlp()
    deformed = field.deform(gaussians, 1.7)
    torch.testing.assert_close(deformed.mean_px, gaussians.mean_px)
    torch.testing.assert_close(deformed.opacity, torch.sigmoid(gaussians.opacity_logit))


def test_a_frozen_network_at_its_start_equals_the_evaluated_one():
    field, gaussians = mlp()
    evaluated = field.deform(gaussians, 1.0).mean_px.detach()
    field.requires_grad_(requires_grad=False)
    torch.testing.assert_close(field.deform(gaussians, 1.0).mean_px.detach(), evaluated)


def test_a_frozen_network_with_only_a_bias_still_moves():
    field, gaussians = mlp()
    with torch.no_grad():
        field.head.bias.fill_(0.1)
    field.requires_grad_(requires_grad=False)
    assert (field.deform(gaussians, 1.0).mean_px != gaussians.mean_px).all()


def test_the_network_sees_the_means_detached():
    field, gaussians = mlp()
    shake(field)
    field.deform(gaussians, 1.7).mean_px.sum().backward()
    assert gaussians.mean_px.grad == pytest.approx(torch.ones_like(gaussians.mean_px))


@pytest.mark.parametrize("varies", [False, True])
def test_rotation_depends_on_z_only_if_asked(varies):
    field, gaussians = mlp(rotation_varies=varies)
    shake(field)
    first, second = (field.deform(gaussians, z).angle_rad.detach() for z in (0.5, 3.0))
    assert bool((first != second).any()) == varies


@pytest.mark.parametrize("varies", [False, True])
def test_opacity_depends_on_z_unless_static(varies):
    field, gaussians = mlp(opacity_varies=varies)
    shake(field)
    first, second = (field.deform(gaussians, z).opacity.detach() for z in (0.5, 3.0))
    assert bool((first != second).any()) == varies


@pytest.mark.parametrize(("z", "drawn_sets"), [(0.0, [0]), (0.3, [0, 1]), (1.0, [1]), (2.2, [1, 2]), (3.0, [2])])
def test_split_gaussians_draw_the_same_and_share_their_memory(anchored, z, drawn_sets):
    model = copy.deepcopy(anchored)
    torch.nn.init.normal_(model.field.up)
    sets = model.field.split(model.gaussians)
    drawn = model(z, sets)
    torch.testing.assert_close(drawn, model(z))
    drawn.sum().backward()
    assert [k for k, rows in enumerate(sets) if rows["intensity"].grad is not None] == drawn_sets
    with torch.no_grad():
        for rows in sets:
            rows["intensity"] += 1
    torch.testing.assert_close(model.gaussians.intensity, anchored.gaussians.intensity + 1)


def test_the_canonical_set_is_not_split():
    field, gaussians = mlp()
    assert field.split(gaussians) is None


def test_a_field_that_moves_everything_at_every_z_has_no_anchors():
    assert mlp()[0].anchored is None


def test_both_sides_of_a_gap_meet_where_they_are(anchored):
    field = anchored.field.anchored
    assert field is anchored.field
    assert [field.locate(z) for z in (0.0, 0.25, 1.0, 2.0, 3.0)] == [(0, 0), (0, 0.25), (1, 0), (1, 0.5), (1, 1)]
    below, above = field.sides(1, 0.25)
    assert (below.owner, below.progress, below.fade) == (1, 0.25, 0.75)
    assert (above.owner, above.progress, above.fade) == (2, 0.75, 0.25)
    assert torch.equal(below.motion, field.up[1])
    assert torch.equal(above.motion, field.down[1])


def test_many_phases_of_a_gap_are_those_one_by_one(anchored):
    phases = torch.tensor([0.0, 0.25, 1.0])
    for k, many in enumerate(anchored.field.sides(0, phases)):
        one_by_one = [list(anchored.field.sides(0, float(t)))[k] for t in phases]
        assert many.progress.tolist() == [side.progress for side in one_by_one]
        assert many.fade.tolist() == [side.fade for side in one_by_one]


def test_a_sections_gaussians_move_across_the_gaps_beside_it(anchored):
    field = anchored.field
    assert [list(field.motions(owner)) for owner in range(3)] == [[0], [0, 1], [1]]
    assert torch.equal(field.motions(1)[0], field.down[0])
    assert torch.equal(field.motions(1)[1], field.up[1])


@pytest.mark.parametrize("grid", [(1, 1), (2, 5), (6, 3)])
def test_a_grid_is_sampled_on_a_gpu_as_on_the_cpu(anchored, grid):
    field, g = anchored.field, torch.Generator().manual_seed(0)
    motion = torch.randn(2, *grid, generator=g, requires_grad=True)
    height, width = field.shape
    at = torch.tensor([height + 9.0, width + 9.0]) * torch.rand(50, 2, generator=g) - 4
    on_cpu = field.sample(motion, at)
    on_gpu = _sampled(motion, at[:, 0] / (height - 1), at[:, 1] / (width - 1))
    torch.testing.assert_close(on_gpu, on_cpu, atol=2e-5, rtol=1e-4)
    upstream = torch.randn(50, 2, generator=g)
    ours, expected = (torch.autograd.grad(drawn, motion, upstream)[0] for drawn in (on_gpu, on_cpu))
    torch.testing.assert_close(ours, expected, atol=2e-4, rtol=1e-4)
