import numpy as np
import pytest
import torch

from napari_emgauss.io.store import JobMemory
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.study import Study
from napari_emgauss.resampling.interpolated import InterpolatedStack
from napari_emgauss.training import Control, Watch


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


@pytest.mark.parametrize(
    ("position", "nearest"),
    [
        (None, 0),
        ((0.5,), 0),
        ((0.5, 5.0, 35.0), 1),
        ((3.9, 44.0, 2.0), 6),
        ((3.9, 44.0, 38.0), 7),
        ((9.0, -5.0, 99.0), 5),
    ],
)
def test_the_block_in_view_is_trained_first(stack, position, nearest):
    tiled = job(stack, tile_px=33, tile_overlap_px=8, bundle_sections=3, bundle_overlap=1)
    assert tiled.n_blocks == 8
    assert tiled.nearest(range(8), position) == nearest
    left = [block for block in range(8) if block != nearest]
    assert tiled.nearest(left, position) in left


def stopped(stack, *, at_once, **changes):
    control = Control()
    control.stop(at_once=at_once)
    task = EmgaussJob(prepare(stack, device="cpu", **changes), Study(), Watch(control, lambda event: None))
    return task.setup, task.models(JobMemory())[0]


@pytest.mark.parametrize("changes", [{}, {"prior": False}])
def test_what_a_stop_left_untrained_follows_a_draft_of_its_gaps(stack, changes):
    setup, model = stopped(stack, at_once=False, **changes)
    assert len(model.field.anchored.z_anchors) == 5 + 4 * setup.n_pseudo
    draft, linear = (InterpolatedStack(stack, name) for name in ("flow" if changes else "learned", "linear"))
    drawn = [setup.scaling.restore(model.render(z)) for z in (1.4, 2.6)]
    off = [np.mean([np.mean((image - d.render(z)) ** 2) for image, z in zip(drawn, (1.4, 2.6), strict=True)])
           for d in (draft, linear)]  # fmt: skip
    assert off[0] < off[1]


def test_a_stop_at_once_takes_the_sections_alone(stack, monkeypatch):
    monkeypatch.setattr(EmgaussJob, "_drafted", lambda *_: pytest.fail("nothing is predicted"))
    _, model = stopped(stack, at_once=True)
    assert list(model.field.anchored.z_anchors) == [0, 1, 2, 3, 4]


def test_a_block_that_has_hardly_begun_counts_as_untrained(stack):
    task, store = job(stack, use_teacher=False), JobMemory()
    fresh = {f"model/{name}": tensor.detach() for name, tensor in task.build(0).model.state_dict().items()}
    values = task.build(0).values()
    kept = []
    for iteration in (3, 2000):
        store.save_state(0, dict(fresh), {"iteration": iteration, "model": values})
        off = task.models(store)[0].gaussians.intensity - fresh["model/gaussians.intensity"]
        kept.append(float(off.abs().max()) < 0.02)  # they are rounded
    assert kept == [False, True]
