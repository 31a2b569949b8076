import pytest
import torch
from torch import nn

from napari_emgauss.training import Rate, Schedule, Stage
from napari_emgauss.training.hooks import MovingAverage
from napari_emgauss.training.optimiser import Optimiser


@pytest.fixture
def student() -> nn.Module:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    return model


def optimiser_of(model: nn.Module) -> Optimiser:
    schedule = Schedule(stages=(Stage(name="all", iterations=9),), rates={"weight": Rate(0.1, 0.1)})
    return Optimiser(dict(model.named_parameters()), schedule)


def test_the_average_follows_as_far_as_the_iterations_say(student):
    average = MovingAverage(student, 0.9)
    teacher = average.start()
    nn.init.ones_(student.weight)
    average.after_step(0, 2, optimiser_of(student))
    assert teacher.weight.item() == pytest.approx(1 - 0.9**2)
    assert not teacher.weight.requires_grad
    assert average.start() is teacher


def test_nothing_is_averaged_before_the_start(student):
    average = MovingAverage(student, 0.9)
    average.after_step(0, 1, optimiser_of(student))
    assert average.state() == ({}, {})


def test_its_state_is_restored(student):
    average = MovingAverage(student, 0.5)
    average.start()
    nn.init.ones_(student.weight)
    average.after_step(0, 1, optimiser_of(student))
    again = MovingAverage(student, 0.5)
    again.restore(*average.state())
    assert torch.equal(again.model.weight, average.model.weight)
