"""Trials of the parts of a training."""

from types import SimpleNamespace

import pytest
import torch

from napari_emgauss.methods.emgauss.estimate import trials
from napari_emgauss.methods.emgauss.objective import SectionTarget
from napari_emgauss.methods.emgauss.schedule import SOLVE
from napari_emgauss.training import Stage


def test_as_many_stand_ins_are_taken_for_predicted_as_sections_are_in_a_training():
    targets = [SectionTarget(float(z), torch.zeros(2, 2)) for z in range(9)]
    predicted = [target.predicted for target in trials._with_predicted(targets, 3)]
    assert predicted == [False, True, True, True] * 2 + [False]
    assert not any(target.predicted for target in trials._with_predicted(targets, 0))


def test_a_step_of_a_solved_stage_costs_what_first_and_other_steps_do_on_average(monkeypatch):
    seconds = {0: [1.0, 1.0], 9: [2.0, 4.0]}
    monkeypatch.setattr(trials, "_times", lambda trainer, stage, start, stop: seconds[start])
    stage = Stage(name=SOLVE, iterations=45)
    trainer = SimpleNamespace(objective=SimpleNamespace(schedule=SimpleNamespace(start_of=lambda name: 0)))
    assert trials._iteration(trainer, stage, 9, lambda: False) == pytest.approx((9 * 1 + 36 * 3) / 45)
