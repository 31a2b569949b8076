"""A still stack, and the same stack disturbed."""

import numpy as np
import pytest

from napari_emgauss.phantoms import phantom
from napari_emgauss.sections.correction.corrections import shifted
from napari_emgauss.volume import Volume


@pytest.fixture(scope="package")
def still():
    return phantom((41, 128, 128), seed=4, noise=0.02).every(2)


@pytest.fixture(scope="package")
def disturbed(still):
    rng = np.random.default_rng(1)
    n = still.n_sections
    shifts, gains = rng.uniform(-2.5, 2.5, (n, 2)), rng.uniform(0.85, 1.15, n)
    data = np.stack([shifted(still.section(i), tuple(shifts[i])) * gains[i] for i in range(n)])
    return Volume(data.astype(np.float32), still.voxel_size_nm), shifts, gains
