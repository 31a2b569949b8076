"""What breaks a training from outside, and what is left of it."""

from dataclasses import replace

import numpy as np
import pytest

from napari_emgauss.errors import OutOfMemoryError
from napari_emgauss.io.particles import read_particles, write_particles
from napari_emgauss.methods.gem import reconstruct_particles
from napari_emgauss.methods.gem.setup import prepare
from napari_emgauss.particles import Particles
from napari_emgauss.training import Finished, FinishReason, Progress, RunConfig


def test_images_that_are_deleted_while_they_are_summed_are_told_by_name(particles, quick, tmp_path, monkeypatch):
    read, table, events = Particles.read, write_particles(particles, tmp_path / "p.star"), []
    stored = replace(read_particles(table), data_sign=1)

    def deleting(self, indices):
        (tmp_path / "p.mrcs").unlink(missing_ok=True)
        return read(self, indices)

    monkeypatch.setattr(Particles, "read", deleting)
    with pytest.raises(FileNotFoundError, match=r"p\.mrcs is gone.*Put it back"):
        reconstruct_particles(stored, on_event=events.append, **quick)
    assert [event.reason for event in events if isinstance(event, Finished)] == [FinishReason.FAILED]


def test_a_process_that_ends_without_a_word_costs_no_half_that_was_trained(
    particles, quick, reconstructed, tmp_path, monkeypatch
):
    monkeypatch.setattr("napari_emgauss.training.engines.local.PROGRESS_EVERY_S", 0)

    class Killed(BaseException):
        """What nothing in the program catches."""

    def killed_in_the_second_half(event):
        if isinstance(event, Progress) and event.block == 1 and event.stage == "likelihood":
            raise Killed

    often, trained = RunConfig(checkpoint_every_s=1e-9), []
    with pytest.raises(Killed):
        reconstruct_particles(
            particles, on_event=killed_in_the_second_half, checkpoint=tmp_path, run_config=often, **quick
        )
    again = reconstruct_particles(particles, on_event=trained.append, checkpoint=tmp_path, **quick)
    assert np.array_equal(again.map().values, reconstructed.map().values)
    progress = [event for event in trained if isinstance(event, Progress) and event.stage in ("shape", "likelihood")]
    assert {event.block for event in progress} == {1}


def test_a_map_that_does_not_fit_into_memory_is_refused_with_the_remedy_before_images_are_read(particles, monkeypatch):
    monkeypatch.setattr("napari_emgauss.io.guard.available_bytes", lambda: 10**6)
    monkeypatch.setattr(Particles, "read", None)
    with pytest.raises(OutOfMemoryError, match=r"24³ voxels .* box_px \(--box-px\)"):
        prepare(particles)
