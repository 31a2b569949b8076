"""The default preset's teacher, within the training."""

import dataclasses
import json

import numpy as np
import pytest
import torch

import napari_emgauss as eg
from napari_emgauss.errors import FileFormatError
from napari_emgauss.interpolation.mixture import Calibration, Learned, Stack
from napari_emgauss.interpolation.mixture.evidence import ASSUMED_SHARE
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.io.store import JobFolder, JobMemory
from napari_emgauss.methods.emgauss import describe_evidence, hidden_verdict, reconstruct
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.study import MixtureTeacher, Study, examination, study
from napari_emgauss.methods.emgauss.study.teacher import PREDICTING, STAGE
from napari_emgauss.phantoms import phantom
from napari_emgauss.training import Control, FinishReason, Progress, Watch

BRIEF = {"pseudo_sections": 2, "newton_steps": 1, "joint": 2, "spacing_px": 4.0, "adapt_spacing": False}
FROM_THE_STACK = {**BRIEF, "prior": False, "lateral_steps": 20}


def setup_of(volume, **changes):
    return prepare(volume, device="cpu", **{**BRIEF, **changes})


@pytest.fixture(scope="module", params=[BRIEF, FROM_THE_STACK], ids=["prior", "lateral"])
def taught(stack, request):
    setup = setup_of(stack, **request.param)
    return EmgaussJob(setup, Study(teacher=study(setup, Watch(Control(), lambda event: None), JobMemory()).teacher))


def normalised(job, stack):
    sections = np.stack([job.setup.scaling.normalise(stack.section(i)) for i in range(stack.n_sections)])
    return Stack(sections, stack.factor)


def same(a, b):
    pairs = zip(a.models, b.models, strict=True)
    return all(torch.equal(x, y) for m, n in pairs for x, y in zip(m.parameters(), n.parameters(), strict=True))


def test_every_gap_gets_its_pseudo_sections_evenly_spaced(taught, stack):
    job = taught
    task = job.build(0)
    z = [target.z for target in task.observed]
    assert z == pytest.approx(np.arange(13) / 3)
    assert task.model.field.z_anchors == z
    for i in range(stack.n_sections):
        assert np.array_equal(task.observed[3 * i].image.numpy(), job.setup.scaling.normalise(stack.section(i)))
    assert task.schedule.total == 3 * len(z)


def test_pseudo_sections_are_what_the_teacher_predicts(taught, stack):
    job = taught
    predicted, confidence, _ = job.study.teacher.between(normalised(job, stack), 2)
    targets = job.build(0).observed
    for gap in range(4):
        for k in range(2):
            assert np.array_equal(targets[3 * gap + 1 + k].image.numpy(), predicted[gap, k])
            assert np.array_equal(targets[3 * gap + 1 + k].weight.numpy(), confidence[gap, k])
    assert all(target.weight is None for target in targets[::3])


def test_gaps_side_by_side_beside_a_gpu_are_what_they_are_one_by_one(stack, monkeypatch):
    setup = setup_of(stack)
    alone = study(setup, Watch(Control(), lambda event: None), JobMemory()).teacher
    monkeypatch.setattr(Learned, "on_a_gpu", True)
    beside = study(setup, Watch(Control(), lambda event: None), JobMemory()).teacher
    assert beside.evidence.shares == pytest.approx(alone.evidence.shares, abs=1e-3)
    known = normalised(EmgaussJob(setup, Study()), stack)
    several = alone.between(known, 2)
    monkeypatch.undo()
    one_by_one = alone.between(known, 2)
    np.testing.assert_allclose(several.images, one_by_one.images, atol=0.01)
    np.testing.assert_array_equal(several.flows, one_by_one.flows)
    assert np.abs(several.flows).max() > 0


def test_what_changes_between_sections_counts_less(taught, stack):
    job = taught
    known = normalised(job, stack)
    known.sections[2, :, 24:] = 1 - known.sections[2, :, 24:]
    teacher = dataclasses.replace(
        job.study.teacher,
        evidence=dataclasses.replace(
            job.study.teacher.evidence, calibration=Calibration(base=0.05, weights=(0.0, 0.0, 0.5))
        ),
    )
    confidence = teacher.between(known, 2).confidence
    assert confidence.mean((2, 3)) == pytest.approx(1, rel=1e-4)
    assert confidence[1][..., 30:].mean() < 0.9 * confidence[1][..., :16].mean()


def test_a_tile_sees_what_the_whole_section_would(taught, stack):
    """But for the reach of optical flow, which is coarser than the margin around a tile."""
    job = taught
    whole = job.build(0).observed[1].image.numpy()
    tiled = EmgaussJob(setup_of(stack, tile_px=33, tile_overlap_px=8), job.study)
    part = tiled.build(0)
    height, width = part.observed[1].image.shape
    assert np.abs(part.observed[1].image.numpy() - whole[:height, :width]).mean() < 0.02


def test_hiding_sections_decides_the_shares_and_is_recorded(stack):
    result = reconstruct(stack, preset="balanced", **BRIEF)
    found = result.record["teacher"]
    assert found["prior"] is True
    assert "prior" in found["shares"]
    assert sum(found["shares"].values()) == pytest.approx(1, abs=1e-3)
    assert found["n_hidden"] == 3
    assert found["hidden_psnr_db"]["fused"] >= max(found["hidden_psnr_db"].values()) - 0.2
    assert json.loads(json.dumps(found)) == found
    assert describe_evidence(result.record).startswith("On 3 hidden sections")
    assert describe_evidence({}) == ""
    assert hidden_verdict(result.record, (48, 8, 8)).startswith(
        "A harder test (gaps of 96 nm instead of 48), by hiding 3 sections in turn"
    )
    assert hidden_verdict({}, (48, 8, 8)) == ""


def test_progress_goes_on_from_the_teacher_to_the_blocks(stack):
    events = []
    reconstruct(stack, preset="balanced", on_event=events.append, **FROM_THE_STACK)
    told = [e for e in events if isinstance(e, Progress) and e.stage != examination.STAGE]
    assert told[0].stage == STAGE
    assert told[-1].stage != STAGE
    assert [e.iteration for e in told] == sorted(e.iteration for e in told)
    assert len({e.n_iterations for e in told}) == 1
    assert told[-1].iteration == told[-1].n_iterations == events[-1].iteration
    assert [e.seconds for e in told] == sorted(e.seconds for e in told)
    assert events[-1].reason is FinishReason.COMPLETED


def test_a_stop_while_the_teacher_learns_keeps_a_usable_start(stack):
    control, events = Control(), []

    def stop(event):
        events.append(event)
        control.stop()

    settings = {**FROM_THE_STACK, "lateral_steps": 9999}
    result = reconstruct(stack, preset="balanced", control=control, on_event=stop, **settings)
    assert events[-1].reason is FinishReason.STOPPED
    assert "teacher" not in result.record
    truth = stack.section(2)
    assert np.corrcoef(result.render(2).ravel(), truth.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("brief", [BRIEF, FROM_THE_STACK], ids=["prior", "lateral"])
def test_a_resumed_run_takes_the_teacher_from_the_checkpoint(stack, tmp_path, monkeypatch, brief):
    settings = {"preset": "balanced", **brief}
    whole, control = reconstruct(stack, **settings), Control()

    def stop(event):
        if isinstance(event, Progress) and event.stage == "joint":
            control.stop()

    reconstruct(stack, control=control, on_event=stop, checkpoint=tmp_path, **settings)
    monkeypatch.setattr("napari_emgauss.methods.emgauss.study.findings.train_teacher", None)
    assert same(reconstruct(stack, checkpoint=tmp_path, **settings), whole)


def test_a_checkpoint_of_something_else_is_explained(taught, stack, tmp_path):
    store = JobFolder(tmp_path, "f")
    tensors, values = taught.study.teacher.state()
    store.save_record("teacher", values, tensors)
    again = MixtureTeacher.from_state(*store.load_record("teacher"))
    assert again.evidence == taught.study.teacher.evidence
    assert again.learned.candidates == taught.study.teacher.learned.candidates
    assert again.contrast == taught.study.teacher.contrast
    with pytest.raises(FileFormatError, match="teacher is not usable"):
        MixtureTeacher.from_state({"rows.entry.weight": torch.zeros(2, 2)}, values)
    with pytest.raises(FileFormatError, match="teacher is not usable"):
        MixtureTeacher.from_state(tensors, {"shares": 3})
    store.clear()
    assert not store.exists()


def test_a_model_with_pseudo_sections_survives_its_file(stack, tmp_path):
    result = reconstruct(stack, preset="balanced", **BRIEF)
    again = eg.load(result.save(tmp_path / "m.emgauss"))
    assert again.models[0].field.z_anchors == result.models[0].field.z_anchors
    for z in (0, 0.21, 1 / 3, 3.9):
        assert np.array_equal(again.render(z), result.render(z))


@pytest.mark.parametrize(
    ("shape", "factor", "with_prior", "without"),
    [
        ((11, 192, 192), 6, True, True),
        ((2, 192, 192), 6, True, False),
        ((11, 20, 192), 6, True, True),
        ((11, 192, 192), 1.2, False, False),
    ],
)
def test_pseudo_sections_take_a_gap_and_something_to_trust(shape, factor, with_prior, without):
    volume = eg.Volume(np.broadcast_to(np.uint8(0), shape), (8 * factor, 8, 8))
    assert (setup_of(volume).n_pseudo > 0) is with_prior
    assert (setup_of(volume, prior=False).n_pseudo > 0) is without


@pytest.mark.parametrize(
    ("shape", "possible"), [((11, 192, 192), True), ((2, 192, 192), False), ((11, 20, 192), False)]
)
def test_a_network_learns_from_stacks_that_leave_something_to_hide(shape, possible):
    volume = eg.Volume(np.broadcast_to(np.uint8(0), shape), (48, 8, 8))
    assert setup_of(volume, lateral_steps=5).can_teach_lateral is possible
    assert not setup_of(volume).can_teach_lateral


def test_two_sections_are_left_to_the_prior_without_evidence_or_uncertainty(stack):
    pair = eg.Volume(stack.data[:2], stack.voxel_size_nm)
    result = reconstruct(pair, preset="balanced", **BRIEF)
    assert result.record["teacher"]["n_hidden"] == 0
    assert result.record["teacher"]["shares"]["prior"] == ASSUMED_SHARE
    assert "assumed" in describe_evidence(result.record)
    assert not result.has_uncertainty
    assert result.models[0].field.z_anchors == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_a_reconstruction_from_the_stack_alone_says_so(stack):
    record = reconstruct(stack, preset="balanced", **FROM_THE_STACK).record
    assert record["teacher"]["prior"] is False
    assert "prior" not in record["teacher"]["shares"]
    assert "Nothing was taken from other volumes." in describe_evidence(record)
    assert "other volumes" not in describe_evidence({"teacher": {**record["teacher"], "prior": True}})


def test_presets_without_a_teacher_have_no_pseudo_sections(stack):
    assert prepare(stack, preset="paper").n_pseudo == 0
    assert prepare(stack, use_teacher=False).n_pseudo == 0
    assert setup_of(phantom((3, 32, 32)).every(2), prior=False).n_pseudo == 0


def test_a_stop_while_the_teacher_predicts_leaves_the_rest_to_plain_interpolation(taught, stack):
    job = taught
    known = normalised(job, stack)
    control, events = Control(), []

    def stop(event):
        events.append(event)
        control.stop()

    watch = Watch(control, stop, 100)
    found = job.study.teacher.between(known, 1, watch).images[:, 0]
    whole = job.study.teacher.between(known, 1).images[:, 0]
    halfway = np.stack([Interpolator(known.sections, "linear").section(i + 0.5) for i in range(4)])
    assert events[0].stage == PREDICTING
    n = len(events) + 1
    assert np.array_equal(found[:n], whole[:n])
    assert np.array_equal(found[n:], halfway[n:])
    assert n < 4
