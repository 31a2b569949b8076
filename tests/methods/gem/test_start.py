import numpy as np
import pytest

from napari_emgauss.methods.gem.config import GemConfig
from napari_emgauss.methods.gem.setup import prepare
from napari_emgauss.methods.gem.start import filled_voxels, start_model
from napari_emgauss.methods.gem.study import study


@pytest.fixture(scope="module")
def found(particles, quick):
    return study(prepare(particles, **quick))


def start(found, **settings):
    config = GemConfig().with_settings(**settings)
    rng = np.random.default_rng(0)
    return start_model(
        config, found.targets[0], found.mask, found.posterior(0), found.setup.operators, rng, positive=True
    )


def test_gaussians_lie_where_the_back_projection_is_dense(found, truth):
    model = start(found, n_gaussians=300)
    assert len(model) == 300
    places = np.rint(model.gaussians.mean.detach().numpy()).astype(int) + 12
    assert truth[tuple(places.T)].mean() > 3 * truth.mean()


def test_the_one_density_explains_the_images_better_than_half_or_double_of_it(found):
    density = start(found, n_gaussians=300).map()
    losses = [found.posterior(0).loss((factor * density).astype(np.float32)) for factor in (0.5, 1, 2)]
    assert min(losses) == losses[1]


def test_a_larger_molecule_has_more_gaussians(found):
    assert filled_voxels(np.ones((4, 4, 4), np.float32)) == pytest.approx(64)
    assert filled_voxels(np.zeros((4, 4, 4), np.float32)) == 0
    assert len(start(found)) >= 200
