import copy

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_emgauss.errors import ConfigError
from napari_emgauss.forward import MlpField, SectionModel, View, draw
from napari_emgauss.forward.fields import Deformed
from napari_emgauss.gaussians import Gaussians, canonical_grid
from napari_emgauss.methods.emgauss import preset
from napari_emgauss.methods.emgauss.job import build_model


@pytest.fixture(scope="module")
def sections():
    rng = np.random.default_rng(1)
    return rng.random((3, 36, 44), dtype=np.float32)


@pytest.fixture(scope="module")
def anchored(sections):
    return build_model(preset("fast"), [0.0, 1.0, 3.0], sections, np.random.default_rng(0))


def mlp(**changes):
    torch.manual_seed(0)
    field = MlpField((0.0, 4.0), (36, 44), depth=4, width=16, **changes)
    values = canonical_grid(
        np.full((2, 36, 44), 0.5, np.float32), spacing_px=3, opacity=0.3, rng=np.random.default_rng(0)
    )
    return field, Gaussians(values)


def shake(field):
    torch.nn.init.normal_(field.head.weight, std=0.1, generator=torch.Generator().manual_seed(1))


def test_anchored_sections_meet_from_both_sides(anchored):
    at = anchored.render(1.0)
    assert anchored.render(1.0 - 1e-5) == pytest.approx(at, abs=1e-3)
    assert anchored.render(1.0 + 1e-5) == pytest.approx(at, abs=1e-3)


def test_an_observed_section_is_drawn_from_its_own_gaussians_only(anchored):
    offsets = anchored.field.offsets
    for z, own in ((0.0, 0), (1.0, 1), (3.0, 2)):
        assert len(anchored.field.deform(anchored.gaussians, z).mean_px) == offsets[own + 1] - offsets[own]


def test_without_motion_the_middle_is_the_mean_of_its_neighbours(sections):
    model = build_model(preset("fast", motion="none"), [0.0, 1.0, 3.0], sections, np.random.default_rng(0))
    mean = (model.render(1.0) + model.render(3.0)) / 2
    assert model.render(2.0) == pytest.approx(mean, abs=1e-4)


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


def test_a_view_of_a_part_equals_that_part_of_the_whole(anchored):
    whole = anchored.render(0.4)
    assert anchored.render(0.4, View((5, 21, 10, 40))) == pytest.approx(whole[5:21, 10:40], abs=1e-5)


@pytest.mark.parametrize("mode", ["sum", "alpha"])
@pytest.mark.parametrize("zoom", [0.25, 0.5, 2.0, 3.0])
def test_zooming_keeps_positions_and_brightness(mode, zoom):
    values = {
        "mean_px": torch.tensor([[17.0, 22.0]]),
        "log_scale": torch.tensor([[1.2, 0.9]]),
        "angle_rad": torch.zeros(1),
        "opacity_logit": torch.tensor([-2.0]),
        "intensity": torch.ones(1),
    }
    model = SectionModel(Gaussians(values), MlpField((0.0, 1.0), (36, 44), depth=2, width=4), (36, 44), mode=mode)
    full, image = model.render(0.0), model.render(0.0, View((0, 36, 0, 44), zoom))
    assert image.shape == (round(36 * zoom), round(44 * zoom))
    y, x = torch.meshgrid(*(torch.arange(n) for n in image.shape), indexing="ij")
    centre = [float((image * axis).sum() / image.sum()) for axis in (y, x)]
    assert [(c + 0.5) / zoom - 0.5 for c in centre] == pytest.approx([17, 22], abs=0.1 * max(1, 0.5 / zoom))
    if mode == "sum":
        assert float(image.mean()) == pytest.approx(float(full.mean()), rel=0.03)


@pytest.mark.parametrize("zoom", [0.7, 1.0, 2.5])
@pytest.mark.parametrize("region", [(8.25, 30.75, 10.5, 40.0), (3.0, 33.4, 7.9, 37.1)])
def test_a_view_may_start_between_pixels(region, zoom):
    splats = Deformed(
        torch.tensor([[19.3, 24.8]]),
        torch.tensor([[0.6, 0.2]]),
        torch.tensor([0.5]),
        torch.ones(1),
        torch.ones(1),
    )
    image = draw(splats, View(region, zoom), mode="sum", background=0.0)
    y, x = torch.meshgrid(*(torch.arange(n) for n in image.shape), indexing="ij")
    centre = [float((image * axis).sum() / image.sum()) for axis in (y, x)]
    found = [first - 0.5 + (c + 0.5) / zoom for first, c in zip((region[0], region[2]), centre, strict=True)]
    assert found == pytest.approx([19.3, 24.8], abs=0.03)


def test_zooming_out_does_not_alias():
    """Stripes finer than an output pixel become grey, at whatever phase they are sampled."""
    rows = torch.arange(-12, 60).repeat_interleave(48).float()
    columns = torch.arange(-2, 46).repeat(72).float()
    n = len(rows)
    stripes = Deformed(
        torch.stack([rows, columns], -1),
        torch.full((n, 2), np.log(0.5)),
        torch.zeros(n),
        torch.ones(n),
        (rows % 3 == 0).float(),
    )
    full = draw(stripes, View((0, 48, 0, 44)), mode="sum", background=0.0)
    small = draw(stripes, View((0, 48, 0, 44), 0.25), mode="sum", background=0.0)
    assert full.std() > 0.3 * full.mean()
    assert small[1:-1, 3:-3] == pytest.approx(torch.full((10, 5), float(full[:, 8:-8].mean())), rel=0.06)


def test_no_gaussians_draw_the_background():
    none = Deformed(torch.empty(0, 2), torch.empty(0, 2), torch.empty(0), torch.empty(0), torch.empty(0))
    for mode in ("sum", "alpha"):
        image = draw(none, View((0, 5, 0, 4)), mode=mode, background=0.25)
        assert image == pytest.approx(torch.full((5, 4), 0.25))


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


@pytest.mark.parametrize(
    ("region", "zoom"), [((5, 5, 0, 4), 1), ((0, 4, 9, 3), 1), ((0, 4, 0, 4), 0), ((0, 4, 0, 4), np.inf)]
)
def test_impossible_views_are_refused(region, zoom):
    with pytest.raises(ConfigError):
        View(region, zoom)


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


def test_the_canonical_set_is_not_split():
    field, gaussians = mlp()
    assert field.split(gaussians) is None
