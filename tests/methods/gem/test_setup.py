import dataclasses

import numpy as np
import pytest

from napari_emgauss.errors import ConfigError, ParticlesError
from napari_emgauss.methods.gem.config import GemConfig
from napari_emgauss.methods.gem.setup import prepare
from napari_emgauss.methods.gem.study import images_at_a_time, study, with_sign
from napari_emgauss.training import Control, Watch


def changed(particles, **changes):
    return dataclasses.replace(particles, **changes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"symmetry": "T"}, "symmetry must be"),
        ({"symmetry": "C0"}, "symmetry must be"),
        ({"mask_radius": 1.5}, "mask_radius"),
        ({"amplitude": "auto"}, "Did you mean amplitudes"),
        ({"amplitudes": "negative"}, "one of auto, positive, signed"),
        ({"start_px": 5.0}, "smallest_px..largest_px"),
        ({"seed": -1}, "seed"),
        ({"device": "cuda"}, "device must be auto or cpu"),
    ],
)
def test_impossible_settings_are_refused_with_what_was_received(particles, settings, message):
    with pytest.raises(ConfigError, match=message):
        prepare(particles, **settings)


def test_a_random_split_is_that_of_the_seed_and_halves_are_of_one_size(particles):
    first = [prepare(particles, seed=seed).halves for seed in (0, 0, 1)]
    assert np.array_equal(first[0][0], first[1][0])
    assert not np.array_equal(first[0][0], first[2][0])
    assert abs(len(first[0][0]) - len(first[0][1])) <= 1
    assert not set(first[0][0]) & set(first[0][1])


def test_the_file_s_split_is_kept(particles):
    own = np.arange(len(particles)) % 3 == 0
    halves = prepare(changed(particles, halves=own.astype(np.int64))).halves
    assert np.array_equal(halves[1], np.flatnonzero(own))


def test_too_few_particles_are_refused(particles):
    with pytest.raises(ParticlesError, match="at least 4 particles"):
        prepare(particles.take(range(6)))


def test_the_fingerprint_changes_with_whatever_changes_the_result(particles):
    known = {prepare(particles).fingerprint}
    for other in (
        prepare(particles, seed=1),
        prepare(particles, n_gaussians=7),
        prepare(changed(particles, shifts_angstrom=particles.shifts_angstrom + 1)),
        prepare(changed(particles, phase_flipped=True)),
        prepare(changed(particles, images=type(particles.images)(particles.images.array + 1))),
    ):
        assert other.fingerprint not in known
        known.add(other.fingerprint)
    assert prepare(particles).fingerprint in known


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sign_is_found_where_the_file_does_not_tell(particles, sign):
    images = type(particles.images)(sign * particles.images.array)
    assert with_sign(prepare(changed(particles, images=images, data_sign=0))).particles.data_sign == sign


def test_settings_come_back_from_plain_values():
    config = GemConfig().with_settings(symmetry="D2", n_gaussians=12)
    assert GemConfig.from_json(config.to_json()) == config


def test_summing_looks_for_a_stop_after_few_large_images(particles, monkeypatch):
    assert images_at_a_time(24) > images_at_a_time(200) > images_at_a_time(2000) == 1
    monkeypatch.setattr("napari_emgauss.methods.gem.study.PIXELS_AT_A_TIME", 5 * 24**2)
    control, told = Control(), []

    class Stopping(Watch):
        def tell(self, stage, done, total):
            told.append(done)
            if done == 10:
                control.stop()

    assert study(prepare(particles), Stopping(control, lambda event: None)) is None
    assert told == [0, 5, 10]
