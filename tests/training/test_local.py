"""The local engine, run by a toy method: nothing here knows a section or a Gaussian."""

import threading

import numpy as np
import pytest
import torch
from tests.training.toy import SCHEDULE, ToyJob, ToyObjective, noisy_images

from napari_emgauss.errors import ConfigError, FileFormatError, OutOfMemoryError
from napari_emgauss.io.store import JobFolder, JobMemory
from napari_emgauss.training import (
    BlockTrainer,
    Control,
    Finished,
    FinishReason,
    Hook,
    Improved,
    LocalEngine,
    Preview,
    Progress,
    RunConfig,
    model_of,
)

N_BLOCKS, PER_BLOCK = 3, SCHEDULE.total


def run(store=None, control=None, emit=lambda event: None, job=None, **config):
    store = JobMemory() if store is None else store
    engine = LocalEngine(RunConfig(**config))
    engine.run(job or ToyJob(noisy_images()), store, control or Control(), emit)
    return store


def models(store):
    return [store.load_done(block)[0] for block in range(N_BLOCKS)]


def same(first, second):
    return all(torch.equal(a[name], b[name]) for a, b in zip(first, second, strict=True) for name in a)


def stop_after(monkeypatch, control, n_steps, act=None):
    step, made = BlockTrainer.step, []

    def counted(self):
        step(self)
        made.append(1)
        if len(made) == n_steps:
            (act or control.stop)()

    monkeypatch.setattr(BlockTrainer, "step", counted)


def test_events_tell_a_whole_run_and_end_exactly_once():
    events = []
    store = run(emit=events.append, preview_every_s=1e-9, validate_every=10)
    progress = [e for e in events if isinstance(e, Progress)]
    assert [type(e) for e in events].count(Finished) == 1
    assert events[-1].reason is FinishReason.COMPLETED
    assert progress[-1].iteration == progress[-1].n_iterations == events[-1].iteration == N_BLOCKS * PER_BLOCK
    assert [e.iteration for e in progress] == sorted(e.iteration for e in progress)
    assert {e.stage for e in progress} == {"fine"} | {e.stage for e in progress}
    assert progress[-1].scores["error"] < 0.1
    assert progress[-1].loss == progress[-1].losses["loss"] < 0.1
    previews = [e for e in events if isinstance(e, Preview)]
    assert previews[-1].image.shape == (6, 8)
    assert previews[-1].placement.origin == (0, 0, 16)
    learned = torch.cat([m["level"] + m["detail"] for m in models(store)], 1)
    assert (learned - noisy_images().mean(0)).abs().mean() < 0.1


def test_a_stage_lets_parameters_rest():
    trainer = BlockTrainer(ToyJob(noisy_images()).build(0))
    for _ in range(20):
        trainer.step()
    assert not trainer.objective.model.detail.any()
    trainer.step()
    assert trainer.objective.model.detail.any()


def test_the_same_seed_gives_the_same_result_and_another_seed_another():
    assert same(models(run()), models(run()))
    assert not same(models(run()), models(run(job=ToyJob(noisy_images(), seed=5))))


@pytest.mark.parametrize("steps", [1, 30, 60, 75, 179])
def test_resuming_after_a_stop_equals_an_uninterrupted_run(tmp_path, monkeypatch, steps):
    control, events = Control(), []
    with monkeypatch.context() as patch:
        stop_after(patch, control, steps)
        run(JobFolder(tmp_path, "x"), control, events.append)
    assert (events[-1].reason, events[-1].iteration) == (FinishReason.STOPPED, steps)
    assert same(models(run(JobFolder(tmp_path, "x"))), models(run()))


def test_a_stop_keeps_what_was_learned_so_far(monkeypatch):
    control, store = Control(), JobMemory()
    with monkeypatch.context() as patch:
        stop_after(patch, control, PER_BLOCK + 5)
        run(store, control)
    assert [store.is_done(block) for block in range(N_BLOCKS)] == [True, False, False]
    tensors, about = model_of(store.load_state(1))
    assert tensors["level"] != 0
    assert about == {"origin": [0, 8]}
    assert store.load_state(2) is None


def test_a_killed_run_is_resumed_from_its_last_checkpoint(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def die():
        raise Killed

    with monkeypatch.context() as patch:
        stop_after(patch, None, 100, die)
        with pytest.raises(Killed):
            run(JobFolder(tmp_path, "x"), checkpoint_every_s=0.0)
    store = JobFolder(tmp_path, "x")
    assert store.is_done(0)
    assert store.load_state(1)[1]["iteration"] > 0
    assert same(models(run(store)), models(run()))


def test_what_is_finished_is_loaded_before_anything_is_built(tmp_path, monkeypatch):
    run(JobFolder(tmp_path, "x"))
    monkeypatch.setattr(ToyJob, "build", lambda self, block: pytest.fail("built again"))
    events = []
    run(JobFolder(tmp_path, "x"), emit=events.append)
    assert [(e.reason, e.iteration) for e in events] == [(FinishReason.COMPLETED, N_BLOCKS * PER_BLOCK)]


def test_a_pause_holds_and_changes_nothing(monkeypatch):
    control, paused, store = Control(), threading.Event(), JobMemory()

    def pause():
        control.pause()
        paused.set()

    with monkeypatch.context() as patch:
        stop_after(patch, control, 30, pause)
        thread = threading.Thread(target=run, args=(store, control))
        thread.start()
        assert paused.wait(60)
        assert control.paused
        assert not store.is_done(0)
        control.resume()
        thread.join(60)
    assert same(models(store), models(run()))


def test_a_paused_run_can_be_stopped():
    control, events = Control(), []
    control.pause()
    thread = threading.Thread(target=run, args=(None, control, events.append))
    thread.start()
    control.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert [e.reason for e in events] == [FinishReason.STOPPED]


def test_a_stop_before_the_start_trains_nothing():
    control, events, store = Control(), [], JobMemory()
    control.stop()
    run(store, control, events.append)
    assert [(e.reason, e.iteration) for e in events] == [(FinishReason.STOPPED, 0)]
    assert not store.exists()


@pytest.mark.parametrize(
    "error", [MemoryError("no room"), torch.cuda.OutOfMemoryError("no room"), RuntimeError("no room: std::bad_alloc")]
)
def test_running_out_of_memory_is_explained_and_ends_once(monkeypatch, error):
    def fail(self, samples, iteration):
        raise error

    monkeypatch.setattr(ToyObjective, "loss", fail)
    events = []
    with pytest.raises(OutOfMemoryError, match="block 1 of 3"):
        run(emit=events.append)
    assert [e.reason for e in events] == [FinishReason.FAILED]
    assert "no room" in events[-1].message


def test_a_listener_that_fails_ends_the_run_as_failed():
    events = []

    def listen(event):
        events.append(event)
        if isinstance(event, Progress):
            raise ZeroDivisionError("listener")

    with pytest.raises(ZeroDivisionError):
        run(emit=listen)
    assert [e.reason for e in events if isinstance(e, Finished)] == [FinishReason.FAILED]


def test_a_loss_that_is_not_finite_is_reported(monkeypatch):
    monkeypatch.setattr(ToyObjective, "loss", lambda self, samples, i: [self.model().sum() * float("nan")])
    with pytest.raises(FloatingPointError, match="learning rates"):
        run()


def test_a_keyboard_interrupt_saves_the_state(tmp_path, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        stop_after(patch, None, 7, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(JobFolder(tmp_path, "x"))
    assert same(models(run(JobFolder(tmp_path, "x"))), models(run()))


def test_a_checkpoint_of_another_model_does_not_fit(tmp_path):
    JobFolder(tmp_path, "x").save_state(0, {"model/foreign": torch.zeros(3)}, {"iteration": 3})
    with pytest.raises(FileFormatError, match="does not fit"):
        run(JobFolder(tmp_path, "x"))


def test_scoring_never_is_refused():
    with pytest.raises(ConfigError, match="validate_every"):
        RunConfig(validate_every=0)


def test_what_was_done_before_the_blocks_counts_on():
    earlier = Progress.outside_blocks("study", 10, 190, seconds=3.0, seconds_left=1.0)
    events = []
    LocalEngine(earlier=earlier).run(ToyJob(noisy_images()), JobMemory(), Control(), events.append)
    progress = [e for e in events if isinstance(e, Progress)]
    assert progress[-1].iteration == progress[-1].n_iterations == 10 + N_BLOCKS * PER_BLOCK
    assert progress[0].seconds > 3
    assert np.isclose(progress[-1].seconds_left, 0)


def test_a_folder_of_another_job_is_neither_continued_nor_added_to(tmp_path):
    run(JobFolder(tmp_path, "x"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(FileFormatError, match="other settings"):
        run(JobFolder(tmp_path, "y"))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("names", [["same", "same"], ["model"], ["optimiser"]])
def test_hooks_without_names_of_their_own_are_refused(names):
    hooks = [Hook() for _ in names]
    for hook, name in zip(hooks, names, strict=True):
        hook.name = name
    with pytest.raises(ValueError, match="names of their own"):
        BlockTrainer(ToyObjective(noisy_images(), (0, 0), 0, hooks))


def test_a_loss_for_each_sample_is_asked_for(monkeypatch):
    monkeypatch.setattr(ToyObjective, "loss", lambda self, samples, i: [])
    with pytest.raises(ValueError, match="each of 1 samples, got 0"):
        run()


def test_an_objective_that_trains_nothing_is_refused(monkeypatch):
    monkeypatch.setattr(ToyObjective, "parameters", lambda self: {"another": torch.zeros(1)})
    with pytest.raises(ValueError, match="nothing is trained"):
        run()


def test_the_block_where_the_user_looks_comes_next_and_the_order_changes_no_result():
    control, order = Control(), []

    def look(event):
        if isinstance(event, Improved):
            order.append(event.block)
            control.preview_at = (0.0, 0.0, 1.0)

    control.preview_at = (0.0, 0.0, 16.0)
    assert same(models(run(control=control, emit=look)), models(run()))
    assert order == [2, 0, 1]


def test_blocks_before_the_one_in_training_are_counted_in_whatever_order():
    control, events = Control(), []
    control.preview_at = (0.0, 0.0, 16.0)
    run(control=control, emit=events.append)
    progress = [e for e in events if isinstance(e, Progress)]
    assert [e.block for e in progress] == sorted(e.block for e in progress)
    assert [e.iteration for e in progress] == sorted(e.iteration for e in progress)
    assert progress[-1].iteration == N_BLOCKS * PER_BLOCK


def test_previews_where_the_user_looks_are_of_blocks_that_are_more_than_half_trained(monkeypatch):
    control, made = Control(), []
    preview = ToyObjective.preview

    def counted(self, wanted):
        made.append(trainer_of[self].iteration)
        return preview(self, wanted) if self.origin[1] == 16 else None

    trainer_of, build = {}, BlockTrainer.__init__

    def remembered(self, objective):
        trainer_of[objective] = self
        build(self, objective)

    monkeypatch.setattr(ToyObjective, "preview", counted)
    monkeypatch.setattr(BlockTrainer, "__init__", remembered)
    control.preview_at = (0.0, 0.0, 16.0)
    events = []
    run(control=control, emit=events.append, preview_every_s=1e-9)
    assert min(made) >= 0.6 * PER_BLOCK
    assert {e.placement.origin[2] for e in events if isinstance(e, Preview)} == {16}
