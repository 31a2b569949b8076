"""A small volume and its evaluation; a stack, as a reconstruction sees it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.evaluation import evaluate
from napari_emgauss.volume import Volume

NM = (8.0, 8.0, 8.0)


FACTOR = 4


@pytest.fixture(scope="package")
def volume():
    texture = gaussian_filter(np.random.default_rng(0).standard_normal((19, 40, 36)), 2)
    texture -= texture.min()
    return Volume((texture / texture.max() * 255).astype(np.uint8), NM)


def oracle(volume, noise=0.0):
    """A method that knows the truth, up to noise."""
    rng = np.random.default_rng(1)

    def factory(_thinned):
        return lambda z: volume.section(round(z * FACTOR)) + noise * rng.standard_normal(volume.shape[1:]).astype("f4")

    return factory


@pytest.fixture(scope="package")
def result(volume):
    return evaluate(volume, FACTOR, ["linear", "flow+blur0.7", ("noisy truth", oracle(volume, 2.0))])


@pytest.fixture(scope="package")
def long_stack(isotropic):
    """Nine sections, three times coarser along z."""
    return isotropic.every(3)
