"""Training of the lateral network on sections alone."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from napari_emgauss.errors import ConfigError, VolumeError
from napari_emgauss.interpolation.lateral import LateralConfig, LateralInterpolator, train_lateral
from napari_emgauss.interpolation.plain import Interpolator

FACTOR = 5


QUICK = LateralConfig(
    steps=300, channels=16, dilations=(1, 2, 4), coefficients=6, batch_rows=24, window_px=64, evidence_sections=4
)


def predicted(network, sections, z):
    """The mean of both predictions."""
    return np.mean(LateralInterpolator(network, sections).straight_and_aligned(z), 0)


def mse(image, truth):
    return float(np.mean((image - truth) ** 2))


def test_hidden_planes_are_predicted_better_than_by_linear_and_flow_interpolation(truth, sections, trained):
    hidden = [z for z in range(len(truth)) if z % FACTOR]
    error = np.mean([mse(predicted(trained, sections, z / FACTOR), truth[z]) for z in hidden])
    for name in ("linear", "flow", "linear+blur0.7"):
        plain = Interpolator(sections, name)
        assert error < 0.9 * np.mean([mse(plain.section(z / FACTOR), truth[z]) for z in hidden]), name


def test_one_seed_gives_one_network_and_leaves_the_global_generator_alone(sections):
    config = LateralConfig(steps=4, channels=8, dilations=(1,), batch_rows=4)
    before = torch.random.get_rng_state()
    first, same, other = (train_lateral(sections, FACTOR, config=config, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    for mine, again in zip(first.rows.parameters(), same.rows.parameters(), strict=True):
        assert torch.equal(mine, again)
    assert not torch.equal(first.rows.entry.weight, other.rows.entry.weight)


def test_training_stops_when_asked_and_reports_each_step(sections):
    seen = []
    network = train_lateral(
        sections,
        FACTOR,
        config=QUICK,
        should_stop=lambda: len(seen) == 3,
        on_progress=lambda step, steps, error: seen.append((step, steps, error)),
    )
    assert [step for step, _, _ in seen] == [1, 2, 3]
    assert seen[0][1] == QUICK.steps_for(sections.size)
    assert all(math.isfinite(error) for _, _, error in seen)
    assert predicted(network, sections, 0.5).shape == sections.shape[1:]


@pytest.mark.parametrize("factor", [1.0, 2.5, 6.25])
def test_any_factor_trains(sections, factor):
    config = LateralConfig(steps=3, channels=8, dilations=(1,), batch_rows=4)
    network = train_lateral(sections, factor, config=config)
    assert np.isfinite(predicted(network, sections, 5.7)).all()


def test_stacks_and_factors_that_cannot_be_trained_on_are_refused(sections):
    with pytest.raises(ConfigError, match="factor"):
        train_lateral(sections, 0.5, config=QUICK)
    with pytest.raises(VolumeError, match="too small"):
        train_lateral(sections[:, :16, :16], 10, config=QUICK)
    with pytest.raises(VolumeError, match="NaN"):
        train_lateral(np.where(sections > 0.8, np.nan, sections), FACTOR, config=QUICK)
    with pytest.raises(VolumeError, match="shape"):
        train_lateral(sections[0], FACTOR, config=QUICK)


def test_bfloat16_learns_within_a_fiftieth_of_a_decibel_of_float32(truth, sections, monkeypatch):
    config, errors = dataclasses.replace(QUICK, steps=40), []
    for kinds in ((), ("cpu",)):
        monkeypatch.setattr("napari_emgauss.runtime.device.LOW_PRECISION", kinds)
        network = train_lateral(sections, FACTOR, config=config)
        errors.append(np.mean([mse(predicted(network, sections, z / FACTOR), truth[z]) for z in (2, 8, 13, 22)]))
    assert errors[0] != errors[1]
    assert abs(10 * np.log10(errors[1] / errors[0])) < 0.02
