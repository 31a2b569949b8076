"""Losses that a GPU computes and nobody waits for."""

import pytest
import torch
from tests.training.toy import SCHEDULE, ToyJob, noisy_images

from napari_emgauss.training import BlockTrainer, loop


def trained(monkeypatch, *, on_a_gpu):
    reads = []
    with monkeypatch.context() as patch:
        if on_a_gpu:
            patch.setattr(loop, "_is_on_a_gpu", lambda loss: True)
            patch.setattr(loop, "READ_EVERY_S", 1e9)
        numbers = loop._numbers
        patch.setattr(loop, "_numbers", lambda losses: reads.append(len(losses)) or numbers(losses))
        trainer = BlockTrainer(ToyJob(noisy_images()).build(0))
        while not trainer.done:
            trainer.step()
    return trainer, reads


def test_losses_are_read_together_and_are_those_that_are_read_one_by_one(monkeypatch):
    together, reads = trained(monkeypatch, on_a_gpu=True)
    one_by_one, all_reads = trained(monkeypatch, on_a_gpu=False)
    assert reads == [SCHEDULE.total]
    assert len(all_reads) == SCHEDULE.total
    assert together.losses == one_by_one.losses
    ours, theirs = together.objective.model.state_dict(), one_by_one.objective.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("look", ["score", "state", "result"])
def test_a_loss_that_is_not_finite_is_found_when_one_looks_and_names_its_own_iteration(monkeypatch, look):
    monkeypatch.setattr(loop, "_is_on_a_gpu", lambda loss: True)
    monkeypatch.setattr(loop, "READ_EVERY_S", 1e9)
    trainer = BlockTrainer(ToyJob(noisy_images()).build(0))
    made = trainer.solver.step
    monkeypatch.setattr(
        trainer.solver,
        "step",
        lambda samples, iteration: [
            loss * (float("nan") if iteration == 3 else 1) for loss in made(samples, iteration)
        ],
    )
    for _ in range(6):
        trainer.step()
    with pytest.raises(FloatingPointError, match="nan at iteration 3 of stage"):
        getattr(trainer, look)()
