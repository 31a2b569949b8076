import numpy as np
import pytest

from napari_emgauss.errors import ParticlesError


def test_particles_look_like_their_own_predicted_images_and_less_like_those_of_others(reconstructed, particles):
    indices = [0, 3, 8, 21, 40]
    seen, drawn = particles.read(indices), reconstructed.images(particles, indices)
    agreement = np.corrcoef(seen.reshape(5, -1), drawn.reshape(5, -1))[:5, 5:]
    assert np.diag(agreement).mean() > agreement[~np.eye(5, dtype=bool)].mean() + 0.1


def test_particles_of_another_box_are_refused(reconstructed, particles):
    with pytest.raises(ParticlesError, match="box_px=24"):
        reconstructed.images(particles.with_box(16), [0])
