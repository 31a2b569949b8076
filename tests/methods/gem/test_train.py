from dataclasses import replace

import numpy as np
import pytest

from napari_emgauss.methods.gem import reconstruct_particles
from napari_emgauss.methods.registry import load
from napari_emgauss.particles import Particles
from napari_emgauss.training import Control, Finished, FinishReason, Improved, Preview, Progress


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def test_the_map_shows_the_molecule_and_not_its_mirror_image(reconstructed, truth):
    found = reconstructed.map().values
    assert correlation(found, truth) > 0.95
    assert correlation(found[:, :, ::-1], truth) < 0.85


def test_it_is_better_than_either_half(reconstructed, truth):
    halves = [correlation(half.values, truth) for half in reconstructed.half_maps()]
    assert correlation(reconstructed.map().values, truth) > max(halves)


def test_halves_share_no_particle_and_the_split_is_kept(reconstructed, particles):
    assert reconstructed.halves.shape == (len(particles),)
    assert set(np.unique(reconstructed.halves)) == {0, 1}
    assert reconstructed.record["particles_of_halves"] == np.bincount(reconstructed.halves).tolist()


def test_images_of_one_half_have_no_influence_on_the_other_s_gaussians(particles, quick):
    halves = np.arange(len(particles)) % 2
    spoiled = particles.images.array.copy()
    spoiled[halves == 1] += 0.02 * np.random.default_rng(1).standard_normal(spoiled[halves == 1].shape)
    settings = {**quick, "prior_weight": 0.0, "amplitudes": "positive", "likelihood_iterations": 0, "whiten": False}
    values = []
    for images in (particles.images.array, spoiled):
        own = type(particles)(**{**vars(particles), "halves": halves, "images": type(particles.images)(images)})
        values.append(reconstruct_particles(own, **settings).models)
    first, second = ([a[i].gaussians.mean.numpy() for a in values] for i in (0, 1))
    # The noise of all images is measured together, which scales both halves' equations and so only their rounding.
    assert np.abs(first[0] - first[1]).max() < 0.05 * np.abs(second[0] - second[1]).max()


def test_the_same_seed_gives_the_same_map_and_a_file_keeps_it(reconstructed, particles, quick, tmp_path):
    again = reconstruct_particles(particles, **quick)
    assert np.array_equal(again.map().values, reconstructed.map().values)
    loaded = load(reconstructed.save(tmp_path / "m.emgauss"))
    assert np.array_equal(loaded.map().values, reconstructed.map().values)
    assert np.array_equal(loaded.halves, reconstructed.halves)
    assert loaded.resolution().table() == reconstructed.resolution().table()
    assert loaded.record == reconstructed.record


def test_the_sign_of_densities_is_the_one_that_explains_hidden_images_better(reconstructed):
    losses = reconstructed.record["loss_of_hidden_images"]
    assert min(losses, key=losses.get).startswith(reconstructed.record["amplitudes"])


def test_events_tell_of_progress_and_end_exactly_once(told):
    events = told[1]
    assert [type(event) for event in events].count(Finished) == 1
    assert events[-1].reason is FinishReason.COMPLETED
    assert {"shape", "likelihood"} <= {event.stage for event in events if isinstance(event, Progress)}
    preview = next(event for event in events if isinstance(event, Preview))
    assert preview.image.shape == (24, 24, 24)
    assert sum(isinstance(event, Improved) for event in events) == 3  # the plain map, and each half


def test_a_stop_keeps_what_was_learned_and_the_folder_goes_on_from_it(
    particles, quick, reconstructed, tmp_path, monkeypatch
):
    monkeypatch.setattr("napari_emgauss.training.engines.local.PROGRESS_EVERY_S", 0)  # quick machines are stopped too
    control, events = Control(), []

    def stop_in_the_second_half(event):
        events.append(event)
        if isinstance(event, Progress) and event.block == 1 and event.stage == "shape":
            control.stop()

    settings = {**quick, "seed": 0}
    stopped = reconstruct_particles(
        particles, on_event=stop_in_the_second_half, control=control, checkpoint=tmp_path / "job", **settings
    )
    assert events[-1].reason is FinishReason.STOPPED
    assert stopped.record["halves_trained"] == 1
    resumed = reconstruct_particles(particles, checkpoint=tmp_path / "job", **settings)
    assert np.array_equal(resumed.map().values, reconstructed.map().values)


def test_a_stop_before_anything_was_learned_says_so(particles, quick):
    control = Control()
    control.stop()
    events = []
    with pytest.raises(RuntimeError, match="nothing was learned"):
        reconstruct_particles(particles, control=control, on_event=events.append, **quick)
    assert [type(event) for event in events] == [Finished]


def test_a_stop_while_the_sign_is_found_reads_no_more_images(particles, quick, monkeypatch):
    control, reads, read = Control(), [], Particles.read

    def stopping(self, indices):
        reads.append(len(indices))
        control.stop()
        return read(self, indices)

    monkeypatch.setattr(Particles, "read", stopping)
    with pytest.raises(RuntimeError, match="nothing was learned"):
        reconstruct_particles(replace(particles, data_sign=0), control=control, **quick)
    assert len(reads) == 1


def test_passes_over_the_images_go_on_from_their_sums(particles, quick, truth):
    settings = {**quick, "likelihood_iterations": 0, "image_passes": 0.5, "amplitudes": "positive"}
    found = reconstruct_particles(particles, **settings)
    assert correlation(found.map().values, truth) > 0.94


def test_a_symmetric_model_is_symmetric(particles, quick):
    found = reconstruct_particles(particles, **{**quick, "symmetry": "C2", "amplitudes": "positive"})
    values = found.map().values[1:, 1:, 1:]
    assert np.abs(values - values[:, ::-1, ::-1]).max() < 0.03 * np.abs(values).max()
