import numpy as np
import pytest

from napari_emgauss.errors import VolumeError
from napari_emgauss.phantoms import brain_phantom


def test_the_brain_lies_in_the_middle_of_the_world():
    volume, mask = brain_phantom((24, 28, 32), voxel_size_mm=2.0)
    assert np.allclose(volume.grid.positions().reshape(-1, 3).mean(0), 0)
    assert np.abs(volume.grid.positions()[mask].mean(0)).max() < 1
    assert np.allclose(volume.spacing_mm, 2)


def test_there_is_more_in_the_brain_than_around_it():
    volume, mask = brain_phantom((24, 28, 24))
    assert volume.values[mask].std() > 100
    assert volume.values[~mask].mean() < 0.3 * volume.values[mask].mean()


def test_the_seed_decides():
    volumes = [brain_phantom((24, 28, 24), seed=seed)[0].values for seed in (0, 0, 1)]
    assert (volumes[0] == volumes[1]).all()
    assert (volumes[0] != volumes[2]).any()


def test_a_shape_too_small_for_a_brain_is_refused():
    with pytest.raises(VolumeError, match="at least 16"):
        brain_phantom((24, 8, 24))
