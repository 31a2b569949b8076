import math

import numpy as np
import pytest
import torch

from napari_emgauss.forward import MlpField, SectionModel
from napari_emgauss.gaussians import (
    DensityConfig,
    DensityControl,
    Gaussians,
    anchored_grid,
    canonical_grid,
    conics_from,
    spacing_for,
)
from napari_emgauss.gaussians.density import Surgery
from napari_emgauss.render import splat
from napari_emgauss.training.optimiser import apply_surgery
from napari_emgauss.training.teacher import EmaTeacher


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


@pytest.mark.parametrize("anchored", [True, False])
@pytest.mark.parametrize(("shape", "cap"), [((48, 40), 60), ((48, 40), 500), ((300, 17), 200), ((64, 64), 10**6)])
def test_a_grid_is_widened_until_it_respects_the_cap(anchored, shape, cap):
    spacing_px, rng = spacing_for(shape, 3.0, anchored=anchored, cap=cap), np.random.default_rng(0)
    flat = np.ones((1, *shape), np.float32)
    if anchored:
        values = anchored_grid(flat, spacing_px=spacing_px, background=0.0, rng=rng)[0]
    else:
        values = canonical_grid(flat, spacing_px=spacing_px, opacity=0.1, rng=rng)
    assert len(values["intensity"]) <= cap
    assert spacing_px == 3.0 or len(values["intensity"]) > 0.4 * cap


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


def test_the_teacher_follows_and_its_children_start_from_the_students():
    student = model_of(make())
    teacher = EmaTeacher(student, decay=0.9)
    with torch.no_grad():
        student.gaussians.intensity.add_(1.0)
    teacher.update(student)
    assert teacher.model.gaussians.intensity == pytest.approx(torch.full((4,), 1.1))
    surgery = surgery_on(student.gaussians)
    apply_surgery(student, torch.optim.Adam(student.parameters()), surgery)
    teacher.follow(surgery)
    assert teacher.model.gaussians.intensity.tolist() == pytest.approx([1.1] * 3 + [2.25] * 2)
    assert not any(p.requires_grad for p in teacher.model.parameters())
    teacher.update(student)
    assert torch.isfinite(teacher.target(0.3)).all()


def test_the_teacher_follows_several_iterations_at_once():
    student = model_of(make())
    one_by_one, at_once = EmaTeacher(student, decay=0.9), EmaTeacher(student, decay=0.9)
    with torch.no_grad():
        student.gaussians.intensity.add_(1.0)
    for _ in range(3):
        one_by_one.update(student)
    at_once.update(student, 3)
    assert torch.allclose(at_once.model.gaussians.intensity, one_by_one.model.gaussians.intensity)


def test_opacities_are_reset_when_due():
    gaussians, density = make(opacity=0.9), control()
    assert not density.reset_due(48)
    assert density.reset_due(49)
    density.reset_opacity(gaussians)
    assert torch.sigmoid(gaussians.opacity_logit).max() <= 0.0101
