import dataclasses
import errno
import os
import threading
from types import SimpleNamespace

import pytest
import torch

from napari_emgauss.errors import ConfigError, FileFormatError, FolderInUseError, OutOfMemoryError
from napari_emgauss.io.store import JobFolder
from napari_emgauss.methods.emgauss import reconstruct
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.memory import estimate_gpu_bytes
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.study import Study
from napari_emgauss.phantoms import phantom
from napari_emgauss.training import (
    BlockTrainer,
    Control,
    Finished,
    FinishReason,
    Improved,
    Notice,
    Preview,
    Progress,
    RunConfig,
)

TINY = {
    "teacher": "ema", "newton_steps": 0, "joint": 3, "bootstrap": 3, "spacing_px": 4.0, "adapt_spacing": False
}  # fmt: skip
SOLVED = {**TINY, "newton_steps": 4, "joint": 0, "bootstrap": 2}
"""Gauss-Newton steps, and bootstrapping after them."""
TINY_PAPER = {
    "preset": "paper", "mlp_width": 16, "mlp_depth": 2, "warmup": 10, "joint": 10, "bootstrap": 30, "spacing_px": 5.0,
    "densify_start": 5, "densify_stop": 45, "max_gaussians_per_px": 0.3, "bundle_sections": 8,
}  # fmt: skip
DENSIFYING = {**TINY_PAPER, "bootstrap": 190, "densify_stop": 205, "opacity_reset_every": 150}
"""Rounds after iterations 99 and 199 and an opacity reset after 149, all with the teacher at work."""


def parameters(result):
    return {f"{i}.{n}": t for i, model in enumerate(result.models) for n, t in model.state_dict().items()}


def same(first, second):
    a, b = parameters(first), parameters(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def stop_after(monkeypatch, control, n_steps):
    step, made = BlockTrainer.step, []

    def counted(self):
        step(self)
        made.append(1)
        if len(made) == n_steps:
            control.stop()

    monkeypatch.setattr(BlockTrainer, "step", counted)


def test_events_tell_a_whole_run_and_end_exactly_once(stack):
    events = []
    reconstruct(stack, on_event=events.append, hold_out=(1,), run_config=RunConfig(preview_every_s=1e-6), **TINY)
    progress = [e for e in events if isinstance(e, Progress)]
    assert [type(e) for e in events].count(Finished) == 1
    assert events[-1].reason is FinishReason.COMPLETED
    assert progress[-1].iteration == progress[-1].n_iterations == events[-1].iteration
    assert progress[-1].scores["held_out_psnr_db"] > 5
    assert [e.iteration for e in progress] == sorted(e.iteration for e in progress)
    preview = next(e for e in events if isinstance(e, Preview))
    assert preview.image.shape == stack.shape[1:]
    assert preview.placement.origin[0] not in range(5)
    assert preview.placement.origin[1:] == (0, 0)


@pytest.mark.parametrize("settings", [TINY, SOLVED, TINY_PAPER], ids=["anchored", "solved", "paper"])
def test_the_same_seed_gives_the_same_result_and_another_seed_another(stack, settings):
    assert same(reconstruct(stack, seed=1, **settings), reconstruct(stack, seed=1, **settings))
    assert not same(reconstruct(stack, seed=1, **settings), reconstruct(stack, seed=2, **settings))


@pytest.mark.parametrize(
    ("settings", "steps"),
    [(TINY, 17), (SOLVED, 3), (SOLVED, 17), (SOLVED, 27), (TINY_PAPER, 27)],
    ids=["anchored", "intensities", "solved", "solved-then-descended", "paper"],
)
def test_resuming_from_a_checkpoint_equals_an_uninterrupted_run(stack, settings, steps, tmp_path, monkeypatch):
    whole = reconstruct(stack, **settings)
    control, events = Control(), []
    with monkeypatch.context() as patch:
        stop_after(patch, control, steps)
        reconstruct(stack, control=control, checkpoint=tmp_path / "c", on_event=events.append, **settings)
    assert events[-1].reason is FinishReason.STOPPED
    assert events[-1].iteration == steps
    assert same(reconstruct(stack, checkpoint=tmp_path / "c", **settings), whole)


@pytest.fixture(scope="module")
def small_stack():
    return phantom((13, 32, 32), seed=1).every(6)


@pytest.fixture(scope="module")
def densified(small_stack):
    return reconstruct(small_stack, **DENSIFYING)


def test_densification_changes_the_number_of_gaussians(small_stack, densified):
    control = Control()
    control.stop()
    assert densified.n_gaussians > reconstruct(small_stack, control=control, **DENSIFYING).n_gaussians


def test_an_opacity_reset_forgets_the_moments(small_stack, monkeypatch):
    step, control, opacities, moments = BlockTrainer.step, Control(), [], []

    def watched(self):
        step(self)
        if self.iteration in (149, 150):
            logits = self.objective.model.gaussians.opacity_logit
            opacities.append(float(torch.sigmoid(logits.detach()).max()))
            moments.append(float(self.solver.optimiser.adam.state[logits]["exp_avg"].abs().max()))
        if self.iteration == 150:
            control.stop()

    monkeypatch.setattr(BlockTrainer, "step", watched)
    reconstruct(small_stack, control=control, **DENSIFYING)
    assert opacities[0] > 0.05
    assert opacities[1] == pytest.approx(0.01)
    assert moments[0] > 0
    assert moments[1] == 0


@pytest.mark.parametrize("steps", [60, 130])
def test_resuming_is_exact_across_densification_with_the_teacher_at_work(
    small_stack, densified, steps, tmp_path, monkeypatch
):
    control = Control()
    with monkeypatch.context() as patch:
        stop_after(patch, control, steps)
        reconstruct(small_stack, control=control, checkpoint=tmp_path, **DENSIFYING)
    assert same(reconstruct(small_stack, checkpoint=tmp_path, **DENSIFYING), densified)


@pytest.mark.parametrize("teacher", ["ema", "mixture"])
def test_several_sections_per_step_learn_as_much(stack, teacher):
    settings = {**TINY, "teacher": teacher, "joint": 20, "bootstrap": 11, "hold_out": (3,)}

    def trained(**changes):
        events = []
        result = reconstruct(stack, preset="balanced", on_event=events.append, **settings | changes)
        progress = [event for event in events if isinstance(event, Progress)]
        assert progress[-1].iteration == progress[-1].n_iterations
        assert events[-1].reason is FinishReason.COMPLETED
        return result, progress[-1]

    (alone, last_alone), (together, last) = trained(), trained(sections_per_step=3)
    assert last.n_iterations % 3 != 0
    assert not same(alone, together)
    assert last.n_iterations == last_alone.n_iterations
    assert last.scores["held_out_psnr_db"] == pytest.approx(last_alone.scores["held_out_psnr_db"], abs=0.5)
    assert last.loss < 1.25 * last_alone.loss


def test_the_published_field_takes_its_steps_one_by_one(small_stack):
    with pytest.raises(ConfigError, match="sections_per_step=4"):
        reconstruct(small_stack, sections_per_step=4, **TINY_PAPER)


def test_resuming_several_sections_per_step_is_exact(stack, tmp_path, monkeypatch):
    settings = {**TINY, "sections_per_step": 4}
    whole, control = reconstruct(stack, **settings), Control()
    with monkeypatch.context() as patch:
        stop_after(patch, control, 3)
        reconstruct(stack, control=control, checkpoint=tmp_path, **settings)
    assert same(whole, reconstruct(stack, checkpoint=tmp_path, **settings))


def test_the_end_of_a_run_counts_the_iterations_really_done(stack, tmp_path, monkeypatch):
    settings = {**TINY, "bundle_sections": 3, "bundle_overlap": 1, "checkpoint": tmp_path / "c"}
    control, events = Control(), []
    with monkeypatch.context() as patch:
        stop_after(patch, control, 7)
        reconstruct(stack, control=control, on_event=events.append, **settings)
    assert (events[-1].reason, events[-1].iteration) == (FinishReason.STOPPED, 7)
    for _ in range(2):  # once to the end, once with nothing left to do
        reconstruct(stack, on_event=events.append, **settings)
        assert (events[-1].reason, events[-1].iteration) == (FinishReason.COMPLETED, 36)


def test_a_stop_before_the_start_gives_the_initial_model(stack):
    control, events = Control(), []
    control.stop()
    result = reconstruct(stack, control=control, on_event=events.append, **TINY)
    ends = [event for event in events if isinstance(event, Finished)]
    assert [(e.reason, e.iteration) for e in ends] == [(FinishReason.STOPPED, 0)]
    assert result.render(1.5).std() > 1


def test_checkpoints_that_do_not_fit_the_model_are_refused(stack, tmp_path):
    reconstruct(stack, checkpoint=tmp_path, **TINY)
    JobFolder(tmp_path, prepare(stack, **TINY).fingerprint).save_done(0, {"foreign": torch.zeros(3)}, {})
    with pytest.raises(FileFormatError, match="is inconsistent"):
        reconstruct(stack, checkpoint=tmp_path, **TINY)


def test_a_stopped_run_over_several_blocks_is_resumed_where_it_was(stack, tmp_path, monkeypatch):
    settings = {**TINY, "bundle_sections": 3, "bundle_overlap": 1}
    whole, control = reconstruct(stack, **settings), Control()
    with monkeypatch.context() as patch:
        stop_after(patch, control, 25)
        kept = reconstruct(stack, control=control, checkpoint=tmp_path / "c", **settings)
    assert kept.record["blocks_trained"] == "1 of 2"
    assert kept.render(3.5).shape == stack.shape[1:]
    assert same(reconstruct(stack, checkpoint=tmp_path / "c", **settings), whole)


def test_checkpoints_of_other_settings_or_damaged_ones_are_refused(stack, tmp_path):
    reconstruct(stack, checkpoint=tmp_path, **TINY)
    with pytest.raises(FileFormatError, match="other settings"):
        reconstruct(stack, checkpoint=tmp_path, **{**TINY, "joint": 4})
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FileFormatError, match="not a usable checkpoint"):
        reconstruct(stack, checkpoint=tmp_path, **TINY)


def test_a_pause_holds_the_training_until_resumed(stack):
    control, events = Control(), []
    control.pause()
    thread = threading.Thread(
        target=reconstruct, args=(stack,), kwargs={"control": control, "on_event": events.append, **TINY}
    )
    thread.start()
    assert control.paused
    assert all(isinstance(event, Improved) for event in events)  # a draft is there before anything is learned
    control.resume()
    thread.join(60)
    assert events[-1].reason is FinishReason.COMPLETED


def test_a_pause_in_the_middle_holds_there_and_changes_nothing(stack, monkeypatch):
    settings = {**TINY, "joint": 20}
    control, done, results = Control(), [], []
    step, halfway = BlockTrainer.step, threading.Event()

    def counted(self):
        step(self)
        done.append(self.iteration)
        if self.iteration == 30:
            control.pause()
            halfway.set()

    with monkeypatch.context() as patch:
        patch.setattr(BlockTrainer, "step", counted)
        thread = threading.Thread(target=lambda: results.append(reconstruct(stack, control=control, **settings)))
        thread.start()
        assert halfway.wait(60)
        assert done[-1] == 30
        assert control.paused
        control.resume()
        thread.join(60)
    assert done == list(range(1, 116))
    assert same(results[0], reconstruct(stack, **settings))


def test_a_listener_that_fails_ends_the_run_as_failed(stack):
    events = []

    def listen(event):
        events.append(event)
        if isinstance(event, Progress):
            raise ZeroDivisionError("listener")

    with pytest.raises(ZeroDivisionError):
        reconstruct(stack, on_event=listen, **TINY)
    assert [e.reason for e in events if isinstance(e, Finished)] == [FinishReason.FAILED]
    assert events[-1].message == "listener"


def test_a_paused_training_can_be_stopped(stack):
    control, events = Control(), []
    control.pause()
    thread = threading.Thread(
        target=reconstruct, args=(stack,), kwargs={"control": control, "on_event": events.append, **TINY}
    )
    thread.start()
    control.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert events[-1].reason is FinishReason.STOPPED


@pytest.mark.parametrize("error", [MemoryError("no room"), torch.cuda.OutOfMemoryError("no room")])
def test_running_out_of_memory_is_explained(stack, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr("napari_emgauss.forward.view.splat", fail)
    events = []
    with pytest.raises(OutOfMemoryError, match="tile_px"):
        reconstruct(stack, on_event=events.append, **TINY)
    assert [e.reason for e in events if isinstance(e, Finished)] == [FinishReason.FAILED]
    assert "tile_px" in events[-1].message


@pytest.fixture
def small_gpu(monkeypatch):
    """A device that calls itself CUDA and has no room for tiles wider than 128 px."""
    build = EmgaussJob.build

    def build_or_fail(job, block):
        if job.setup.config.blocks.tile_px > 128:
            raise torch.cuda.OutOfMemoryError("no room")
        return build(dataclasses.replace(job, setup=dataclasses.replace(job.setup, device=torch.device("cpu"))), block)

    monkeypatch.setattr(EmgaussJob, "build", build_or_fail)
    monkeypatch.setattr("napari_emgauss.methods.emgauss.setup.choose_device", lambda name: SimpleNamespace(type="cuda"))
    monkeypatch.setattr("napari_emgauss.methods.emgauss.memory.free_gpu_bytes", lambda device: 2**40)
    return phantom((7, 24, 200), seed=1).every(6)


def study_that_took_long(setup, watch, store):
    """Keep something that smaller tiles leave as it is."""
    store.save_record("teacher", {}, {"weights": torch.ones(3)})
    return Study()


def test_a_gpu_out_of_memory_is_tried_again_with_smaller_tiles_and_ends_once(small_gpu, monkeypatch, tmp_path):
    events = []
    monkeypatch.setattr("napari_emgauss.methods.emgauss.train.study", study_that_took_long)
    result = reconstruct(small_gpu, on_event=events.append, checkpoint=tmp_path, **TINY)
    assert result.config.blocks.tile_px == 128
    assert [e.reason for e in events if isinstance(e, Finished)] == [FinishReason.COMPLETED]
    assert [e.message for e in events if isinstance(e, Notice)] == [
        "The GPU has no room for tiles of 200 px; they are made 128 px wide."
    ]
    again = reconstruct(small_gpu, checkpoint=tmp_path, **TINY)  # the folder knows the size of the tiles
    assert same(again, result)


def test_tiles_that_a_gpu_has_no_room_for_are_not_tried(small_gpu, monkeypatch):
    roomy = estimate_gpu_bytes(prepare(small_gpu, **{**TINY, "tile_px": 128}))
    monkeypatch.setattr("napari_emgauss.methods.emgauss.memory.free_gpu_bytes", lambda device: roomy)
    tried, build = [], EmgaussJob.build
    monkeypatch.setattr(EmgaussJob, "build", lambda job, block: tried.append(job.setup.plan.x) or build(job, block))
    events = []
    result = reconstruct(small_gpu, on_event=events.append, **TINY)
    assert result.config.blocks.tile_px == 128
    assert len(set(tried)) == 1
    assert sum(isinstance(event, Notice) for event in events) == 1


def test_a_gpu_without_room_for_the_study_leaves_it_to_the_cpu(small_gpu, monkeypatch):
    devices = []

    def without_room(setup, watch, store):
        devices.append(setup.device.type)
        if setup.device.type == "cuda":
            raise torch.cuda.OutOfMemoryError("no room")
        return Study()

    monkeypatch.setattr("napari_emgauss.methods.emgauss.train.study", without_room)
    events = []
    reconstruct(small_gpu, on_event=events.append, **TINY)
    assert devices == ["cuda", "cpu"]
    assert "study" in next(event.message for event in events if isinstance(event, Notice))


def test_blocks_without_a_folder_are_trained_again_with_smaller_tiles(small_gpu, monkeypatch):
    build, tried = EmgaussJob.build, []

    def fail_at_the_second(job, block):
        tried.append((job.setup.config.blocks.tile_px, block))
        if tried[-1] == (160, 0):
            small = job.setup.config.with_settings(tile_px=128)
            return build(dataclasses.replace(job, setup=dataclasses.replace(job.setup, config=small)), block)
        return build(job, block)

    monkeypatch.setattr(EmgaussJob, "build", fail_at_the_second)
    events = []
    result = reconstruct(small_gpu, on_event=events.append, **{**TINY, "tile_px": 160})
    assert [e.reason for e in events if isinstance(e, Finished)] == [FinishReason.COMPLETED]
    assert result.config.blocks.tile_px == 128
    assert (160, 1) in tried
    assert {block for tile_px, block in tried if tile_px == 128} == set(range(len(result.models)))


def test_a_checkpoint_of_larger_tiles_is_never_thrown_away(small_gpu, tmp_path):
    kept = tmp_path / "block-00007" / "state"
    kept.parent.mkdir()
    kept.write_bytes(b"hours of work")
    with pytest.raises(OutOfMemoryError, match="tile_px"):
        reconstruct(small_gpu, checkpoint=tmp_path, **TINY)
    assert kept.read_bytes() == b"hours of work"


def test_a_loss_that_is_not_finite_is_reported(stack, monkeypatch):
    def broken(prediction, target, **kwargs):
        return prediction.sum() * float("nan")

    monkeypatch.setattr("napari_emgauss.methods.emgauss.objective.photometric_loss", broken)
    with pytest.raises(FloatingPointError, match="learning rates"):
        reconstruct(stack, **TINY)


def test_an_iteration_moves_the_gaussians_of_one_section_only():
    setup = prepare(phantom((25, 40, 40)).every(6), device="cpu", **{"preset": "fast", **TINY})
    trainer = BlockTrainer(EmgaussJob(setup, Study()).build(0))
    model = trainer.objective.model
    intensity, offsets = model.gaussians.intensity.detach(), model.field.offsets
    drawn = []
    for _ in range(8):  # from the second on, moments of a section drawn before could move it
        before = intensity.clone()
        trainer.step()
        changed = intensity != before
        sections = [k for k in range(5) if changed[offsets[k] : offsets[k + 1]].any()]
        assert len(sections) == 1
        assert changed.sum() > 0.5 * (offsets[1] - offsets[0])  # the others are beyond the border
        drawn += sections
    assert len(set(drawn)) > 1


def test_a_training_goes_on_without_checkpoints_when_the_disk_is_full(stack, tmp_path, monkeypatch):
    whole, events = reconstruct(stack, **TINY), []

    def full(self, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    settings = {**TINY, "run_config": RunConfig(checkpoint_every_s=0)}
    assert same(reconstruct(stack, checkpoint=tmp_path / "c", on_event=events.append, **settings), whole)
    (notice,) = (event for event in events if isinstance(event, Notice))
    assert "No space left" in notice.message
    assert events[-1].reason is FinishReason.COMPLETED


def test_a_stop_on_a_full_disk_keeps_what_was_learned(stack, tmp_path, monkeypatch):
    control = Control()
    stop_after(monkeypatch, control, 9)
    monkeypatch.setattr("napari_emgauss.io.store.save", no_room)
    monkeypatch.setattr("napari_emgauss.methods.emgauss.job.STOPPING_ITERATIONS", 0)
    kept = reconstruct(stack, checkpoint=tmp_path / "c", control=control, **TINY)
    monkeypatch.undo()
    assert not same(kept, reconstruct(stack, control=stopped(), **TINY))


def no_room(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def stopped():
    control = Control()
    control.stop()
    return control


def test_two_trainings_in_one_checkpoint_folder_are_told_apart(stack, tmp_path):
    refused = []

    def second(event):
        if not refused:
            with pytest.raises(FolderInUseError) as error:
                reconstruct(stack, checkpoint=tmp_path / "c", **TINY)
            refused.append(error)

    reconstruct(stack, checkpoint=tmp_path / "c", on_event=second, **TINY)
    assert refused
    assert reconstruct(stack, checkpoint=tmp_path / "c", **TINY)
