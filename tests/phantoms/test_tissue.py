import numpy as np
import pytest

from napari_emgauss.errors import VolumeError
from napari_emgauss.interpolation.plain import interpolate
from napari_emgauss.metrics import psnr
from napari_emgauss.phantoms import phantom


def test_a_phantom_depends_on_its_seed_only():
    first, again, other = (phantom((20, 32, 32), seed=s).data for s in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_phantom_spans_the_grey_scale_and_is_isotropic():
    volume = phantom((20, 64, 64))
    assert volume.voxel_size_nm == (8, 8, 8)
    assert volume.data.std() > 30
    assert np.ptp(np.percentile(volume.data, (5, 95))) > 100


def test_structures_move_so_that_following_them_pays():
    volume = phantom((19, 96, 96), noise=0)
    thinned = volume.every(6)

    def mean_psnr(method):
        middles = [3, 9, 15]
        return np.mean([
            psnr(interpolate(thinned, k / 6, method=method) / 255, volume.data[k] / np.float32(255)) for k in middles
        ])  # fmt: skip

    assert mean_psnr("flow") > mean_psnr("linear") + 0.5


@pytest.mark.parametrize(("shape", "noise"), [((1, 32, 32), 0.1), ((20, 8, 32), 0.1), ((20, 32, 32), -1)])
def test_impossible_phantoms_are_refused(shape, noise):
    with pytest.raises(VolumeError):
        phantom(shape, noise=noise)
