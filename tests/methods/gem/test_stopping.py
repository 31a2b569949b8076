import numpy as np
import pytest
import torch

from napari_emgauss.methods.gem.job import GemJob
from napari_emgauss.methods.gem.setup import prepare
from napari_emgauss.methods.gem.stopping import EVERY, OtherHalf
from napari_emgauss.methods.gem.study import study


@pytest.fixture
def judged(particles, quick):
    found = study(prepare(particles, **quick))
    model = GemJob(found, positive=True).build(0).model
    return model, OtherHalf(model, found.equations[1])


def look(hook, number):
    hook.after_step(number * EVERY - 1, 1, None)


def test_a_map_that_gets_much_worse_ends_the_training_with_the_last_good_one(judged):
    model, hook = judged
    look(hook, 1)
    good = model.gaussians.mean.detach().clone()
    with torch.no_grad():
        model.gaussians.amplitude.mul_(3)
    look(hook, 2)
    assert hook.finished
    assert torch.equal(model.gaussians.mean, good)


def test_a_difference_within_chance_ends_nothing(judged):
    model, hook = judged
    look(hook, 1)
    with torch.no_grad():
        model.gaussians.amplitude.mul_(1 + 1e-4)
    look(hook, 2)
    assert not hook.finished


def test_what_it_remembers_survives_a_checkpoint(judged):
    model, hook = judged
    look(hook, 1)
    tensors, values = hook.state()
    other = OtherHalf(model, hook.others)
    other.restore(tensors, values)
    with torch.no_grad():
        model.gaussians.amplitude.mul_(3)
    look(other, 2)
    assert other.finished
    assert np.isfinite(other.lowest)
