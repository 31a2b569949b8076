"""Damaged sections are left out and uneven ones corrected before a training, told, recorded and done again alike."""

import dataclasses
import json
import logging

import numpy as np
import pytest
import torch

import napari_emgauss as eg
from napari_emgauss.errors import ConfigError, ModelFileError, VolumeError
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.methods.emgauss import corrected_like, describe_sections, preset
from napari_emgauss.methods.emgauss.study.examination import KEYS, STAGE, corrections_of, find
from napari_emgauss.phantoms import phantom
from napari_emgauss.sections.correction.corrections import shifted
from napari_emgauss.session import Session
from napari_emgauss.training import Control, FinishReason, Progress, Watch

pytestmark = pytest.mark.slow

QUICK = {"preset": "fast", "adapt_spacing": False, "device": "cpu"}
PLAIN = {"correct_sections": "none", "leave_out_damaged": False}


@pytest.fixture(scope="module")
def even():
    return phantom((25, 72, 72), seed=4, noise=0.02).every(2)


@pytest.fixture(scope="module")
def uneven(even):
    rng = np.random.default_rng(1)
    n = even.n_sections
    shifts, gains, offsets = rng.uniform(-2.5, 2.5, (n, 2)), rng.uniform(0.85, 1.15, n), rng.uniform(-20, 20, n)
    data = np.stack([shifted(even.section(i), tuple(shifts[i])) * gains[i] + offsets[i] for i in range(n)])
    return eg.Volume(np.clip(data.round(), 0, 255).astype(np.uint8), even.voxel_size_nm)


@pytest.fixture(scope="module")
def told(uneven):
    """A reconstruction of the uneven stack, and all that was told meanwhile."""
    events = []
    return eg.reconstruct(uneven, **QUICK, hold_out=(6,), on_event=events.append), events


@pytest.fixture(scope="module")
def result(told):
    return told[0]


@pytest.fixture(scope="module")
def torn(fib25):
    """A real stack whose section 3 is half gone, and the truth."""
    whole = eg.Volume(fib25[::4], (32, 8, 8))
    data = np.array(whole.data)
    data[3, :, 40:] = 255
    return eg.Volume(data, whole.voxel_size_nm), whole


def tensors(reconstruction):
    return [tensor for model in reconstruction.models for tensor in model.state_dict().values()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(tensors(a), tensors(b), strict=True))


def psnr_db(image, truth):
    return 10 * np.log10(255**2 / np.mean((image - truth.astype(np.float32)) ** 2))


def watch(control=None):
    return Watch(control or Control(), lambda event: None, 1)


def test_an_even_stack_is_trained_as_if_nobody_had_looked(even):
    quick = {**QUICK, "newton_steps": 1}
    looked, plain = eg.reconstruct(even, **quick), eg.reconstruct(even, **quick, **PLAIN)
    assert looked.record["corrections"]["used"] == []
    assert looked.record["damaged"] == []
    assert same(looked, plain)
    assert np.array_equal(looked.render(2.3), plain.render(2.3))
    assert corrected_like(even, looked.record) is even


def test_an_uneven_stack_is_predicted_better_once_corrected(uneven, result):
    plain = eg.reconstruct(uneven, **QUICK, **PLAIN, hold_out=(6,))
    assert result.record["corrections"]["used"] == ["brightness", "shifts"]
    frame = corrected_like(uneven, result.record)
    ours = psnr_db(result.render(6), frame.section(6))
    assert ours > psnr_db(plain.render(6), uneven.section(6)) + 1
    # In the frame of the recorded section, too.
    back = corrections_of(result.record, uneven.n_sections).invert(6, result.render(6))
    rim = (slice(6, -6), slice(6, -6))
    assert psnr_db(back[rim], uneven.section(6)[rim]) > psnr_db(plain.render(6)[rim], uneven.section(6)[rim]) + 1
    assert result.dtype == uneven.dtype
    assert result.resample().dtype == np.uint8


def test_the_score_told_while_training_is_that_of_the_corrected_frame(uneven, told):
    result, events = told
    last = [e for e in events if isinstance(e, Progress)][-1].scores["held_out_psnr_db"]
    drawn, truth = (
        np.clip(image, 0, 255) for image in (result.render(6), corrected_like(uneven, result.record).section(6))
    )
    assert last == pytest.approx(psnr_db(drawn, truth), abs=0.05)


def test_the_record_survives_the_file_and_says_what_was_done(result, uneven, tmp_path):
    again = eg.load(result.save(tmp_path / "m.emgauss"))
    assert {key: again.record[key] for key in KEYS} == {key: result.record[key] for key in KEYS}
    assert json.loads(json.dumps(result.record)) == result.record
    first, second = (corrections_of(r.record, uneven.n_sections) for r in (result, again))
    assert np.array_equal(first.shifts_px, second.shifts_px)
    words = describe_sections(again.record)
    assert "Brightness and shifts" in words
    assert "dB better" in words


def test_going_on_uses_the_corrections_of_the_model(result, uneven):
    more = eg.reconstruct(uneven, start=result, device="cpu", joint=1, bootstrap=0)
    assert more.record["corrections"] == result.record["corrections"]
    assert more.config.sections.leave_out == result.config.sections.leave_out
    assert psnr_db(more.render(4), corrected_like(uneven, result.record).section(4)) > 20
    with pytest.raises(ConfigError, match="correct_sections must stay 'auto'"):
        eg.reconstruct(uneven, start=result, correct_sections="none")


def test_resuming_uses_the_corrections_of_the_checkpoint(uneven, result, tmp_path, monkeypatch):
    control = Control()
    told = []

    def stop_early(event):
        told.append(event)
        if isinstance(event, Progress) and event.iteration > 3:
            control.stop()

    arguments = {**QUICK, "hold_out": (6,), "checkpoint": tmp_path}
    early = eg.reconstruct(uneven, on_event=stop_early, control=control, **arguments)
    assert told[-1].reason is FinishReason.STOPPED
    monkeypatch.setattr(
        "napari_emgauss.methods.emgauss.study.examination.find",
        lambda *_: pytest.fail("the sections were looked at again"),
    )
    resumed = eg.reconstruct(uneven, **arguments)
    assert early.record["corrections"] == resumed.record["corrections"] == result.record["corrections"]
    assert same(resumed, result)


def test_damage_is_left_out_told_and_repaired(torn, caplog):
    volume, whole = torn
    with caplog.at_level(logging.WARNING):
        result = eg.reconstruct(volume, **QUICK)
    assert result.config.sections.leave_out == (3,)
    assert 3 not in result.observed
    assert result.record["sections_left_out"] == [3]
    assert "section 3 looks damaged (torn" in caplog.text
    assert "Section 3 (torn" in describe_sections(result.record)
    repaired, truth = result.render(3), whole.section(3)
    linear = Interpolator(whole.as_float()[list(result.observed)], "linear").section(2.5)
    assert psnr_db(repaired, truth) > psnr_db(linear, truth) - 0.05
    assert psnr_db(repaired, truth) > psnr_db(repaired, volume.section(3)) + 5


def test_damage_can_be_kept(torn):
    volume, _ = torn
    result = eg.reconstruct(volume, **QUICK, newton_steps=1, leave_out_damaged=False)
    assert 3 in result.observed
    assert result.record["damaged"] == []


def test_a_section_held_out_or_at_an_end_is_never_left_out(torn):
    volume, _ = torn
    found = find(volume, preset("fast", hold_out=(3,)), watch())
    assert [(d["section"], d["left_out"]) for d in found["damaged"]] == [(3, False)]
    data = np.array(volume.data)
    data[0] = 90
    found = find(eg.Volume(data, volume.voxel_size_nm), preset("fast"), watch())
    assert [(d["section"], d["left_out"]) for d in found["damaged"]] == [(0, False), (3, True)]
    assert "Section 0 (blank) looks damaged but was kept." in describe_sections(found)


def test_sections_without_finite_values_are_left_out_or_refused(even):
    data = even.as_float()
    data[4, 10:12] = np.nan
    volume = eg.Volume(data, even.voxel_size_nm)
    result = eg.reconstruct(volume, **QUICK)
    assert result.config.sections.leave_out == (4,)
    assert np.isfinite(result.render(4)).all()
    with pytest.raises(VolumeError, match="section 4 has"):
        eg.reconstruct(volume, **QUICK, leave_out_damaged=False)


def test_a_stop_while_sections_are_read_ends_at_once(uneven):
    control, read = Control(), []

    class Stopping:
        shape, dtype = uneven.shape, uneven.dtype

        def __getitem__(self, key):
            read.append(key)
            control.stop()
            return np.asarray(uneven.data)[key]

    volume = eg.Volume(Stopping(), uneven.voxel_size_nm)
    assert find(volume, preset("fast"), watch(control)) == {}
    assert len(read) == 1


def test_progress_is_told_while_sections_are_read(uneven, monkeypatch):
    monkeypatch.setattr("napari_emgauss.training.watch.PROGRESS_EVERY_S", 0.0)
    told = []
    settings = {**QUICK, "newton_steps": 1}
    eg.reconstruct(uneven, **settings, use_teacher=False, on_event=told.append)
    stages = [event.stage for event in told if isinstance(event, Progress)]
    assert stages[0] == STAGE
    assert stages.index("solve") == stages.count(STAGE)


def test_a_session_finds_its_checkpoints_again(uneven, tmp_path):
    arguments = {**QUICK, "newton_steps": 1, "checkpoints_in": tmp_path}
    first = Session(uneven, **arguments)
    first.start()
    assert first.wait(60)
    second = Session(uneven, **arguments)
    second.start()
    assert second.wait(60)
    assert second.resumed
    assert same(first.result(), second.result())
    second.forget_checkpoint()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "entry", [{"used": ["shifts"]}, {"used": ["shifts"], "gains": [0], "offsets": [0], "shifts_px": [[0, 0]]}, [1]]
)
def test_tampered_records_are_refused(result, uneven, entry):
    broken = dataclasses.replace(result, record={**result.record, "corrections": entry})
    with pytest.raises(ModelFileError, match="not usable"):
        eg.reconstruct(uneven, start=broken)


def test_a_reconstruction_of_nothing_special_needs_no_words():
    assert describe_sections({}) == ""
    assert describe_sections({"damaged": [], "corrections": {"used": []}, "psnr_ceiling_db": None}) == ""
