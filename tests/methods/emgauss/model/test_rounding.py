import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import napari_emgauss as eg
from napari_emgauss.errors import ModelFileError
from napari_emgauss.forward import AnchoredField, SectionModel
from napari_emgauss.gaussians import Gaussians, conics_from
from napari_emgauss.methods.emgauss import preset
from napari_emgauss.methods.emgauss.model import rounding
from napari_emgauss.methods.emgauss.model.rounding import Codes, Steps, rounded, steps_of
from napari_emgauss.metrics import psnr

CONFIG = preset("fast")
STEPS = Steps.of(CONFIG.model)
NUMBERS = st.floats(-30, 30, width=32)


def model_of(rows: np.ndarray, motion: float = 0.3) -> SectionModel:
    """Two sections, and Gaussians of them by y, x, two log-scales, rotation and intensity."""
    values = torch.from_numpy(rows.astype(np.float32))
    n = len(values)
    gaussians = Gaussians(
        {
            "mean_px": values[:, :2],
            "log_scale": values[:, 2:4],
            "angle_rad": values[:, 4],
            "opacity_logit": torch.zeros(n),
            "intensity": values[:, 5],
        }
    )
    grid = torch.linspace(-motion, motion, 2 * 4 * 5).reshape(1, 2, 4, 5)
    return SectionModel(
        gaussians, AnchoredField([0.0, 1.0], [0, n // 2, n], (12, 16), grid, -grid), (12, 16), mode="sum"
    )


def state(model: SectionModel) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@given(rows=npst.arrays(np.float32, st.tuples(st.integers(0, 8), st.just(6)), elements=NUMBERS))
def test_what_was_rounded_is_not_changed_by_rounding_it_again(rows):
    once = rounded(model_of(rows), CONFIG)
    before = state(once)
    assert all(torch.equal(before[name], tensor) for name, tensor in state(rounded(once, CONFIG)).items())


@given(rows=npst.arrays(np.float32, (5, 6), elements=NUMBERS))
def test_numbers_move_by_half_a_step_at_most(rows):
    exact, near = model_of(rows), rounded(model_of(rows), CONFIG)
    for name, step in [("mean_px", STEPS.position), ("intensity", STEPS.intensity)]:
        moved = getattr(near.gaussians, name) - getattr(exact.gaussians, name)
        assert moved.abs().max() <= step / 2 * 1.001
    for name in ("up", "down"):
        assert (getattr(near.field, name) - getattr(exact.field, name)).abs().max() <= STEPS.motion / 2 * 1.001
    means = [model.gaussians.log_scale.mean(-1) for model in (exact, near)]
    assert (means[0] - means[1]).abs().max() <= STEPS.log_scale / 2 * 1.001
    halves = [(model.gaussians.log_scale[:, 0] - model.gaussians.log_scale[:, 1]).abs() / 2 for model in (exact, near)]
    assert (halves[0] - halves[1]).abs().max() <= STEPS.stretch / math.sqrt(2) * 1.001


def test_rounding_in_parts_changes_nothing(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(50, 6))
    whole = rounded(model_of(rows), CONFIG).state_dict()
    monkeypatch.setattr(rounding, "ROWS_AT_ONCE", 7)
    parts = rounded(model_of(rows), CONFIG).state_dict()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.parametrize("turn", [math.pi, -math.pi / 2, math.pi / 2])
def test_one_shape_has_one_code_however_it_is_turned(turn):
    row = np.array([[3.0, 4.0, 0.9, 0.3, 0.4, 1.0]])
    turned = row.copy()
    turned[:, 4] += turn
    if abs(turn) < 3:
        turned[:, [2, 3]] = row[:, [3, 2]]
    one, other = (Codes.of(model_of(rows), STEPS) for rows in (row, turned))
    assert np.array_equal(one.stretch, other.stretch)
    assert np.array_equal(one.log_scale, other.log_scale)
    exact, near = model_of(turned).gaussians, rounded(model_of(turned), CONFIG).gaussians
    conics = [conics_from(of.log_scale.detach(), of.angle_rad.detach())[0] for of in (exact, near)]
    assert torch.allclose(*conics, atol=0.01)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("column", range(6))
def test_numbers_that_no_model_has_are_refused(column, value):
    rows = np.ones((2, 6), np.float32)
    rows[1, column] = value
    if column == 4 and np.isfinite(value):  # an angle of many turns is an angle
        rows[1, 4] = float("nan")
    with pytest.raises(ModelFileError, match="cannot be kept"):
        Codes.of(model_of(rows), STEPS)


def test_models_with_a_network_are_kept_as_they_are(stack):
    config = preset("paper", mlp_width=8, mlp_depth=2)
    model = eg.reconstruct(stack, preset="paper", warmup=1, joint=1, bootstrap=0, mlp_width=8, mlp_depth=2).models[0]
    before = state(model)
    assert steps_of(config) is None
    assert all(torch.equal(before[name], tensor) for name, tensor in state(rounded(model, config)).items())


@pytest.mark.parametrize("spacing_px", [1.75, 3.5])
def test_what_rounding_costs_is_below_two_hundredths_of_a_decibel(isotropic, stack, spacing_px, monkeypatch):
    monkeypatch.setattr("napari_emgauss.methods.emgauss.job.rounded", lambda model, config: model)
    result = eg.reconstruct(stack, preset="fast", spacing_px=spacing_px, uncertainty=False)
    scores = []
    for _ in range(2):
        drawn = np.stack([result.render(k / 6) for k in range(25) if k % 6])
        scores.append(psnr(drawn, np.asarray(isotropic.data)[[k for k in range(25) if k % 6]], data_range=255))
        rounded(result.models[0], result.config)
    assert scores[0] != scores[1]
    assert scores[0] - scores[1] <= 0.02
