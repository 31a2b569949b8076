import torch

from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.study import Study


def job(stack, **changes):
    return EmgaussJob(prepare(stack, device="cpu", **changes), Study())


def test_held_out_sections_are_scored_as_they_were_recorded(stack):
    task = job(stack, denoise="light", hold_out=(2,)).build(0)
    raw = job(stack, hold_out=(2,)).build(0)
    assert torch.equal(task.held_out[0].image, raw.held_out[0].image)
    assert not torch.equal(task.observed[0].image, raw.observed[0].image)


def test_a_task_is_the_same_at_every_call(stack):
    first, second = (job(stack).build(0).model.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
