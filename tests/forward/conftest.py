"""A stack of noise and a model of it."""

import numpy as np
import pytest

from napari_emgauss.methods.emgauss import preset
from napari_emgauss.methods.emgauss.model import build_model


@pytest.fixture(scope="package")
def sections():
    rng = np.random.default_rng(1)
    return rng.random((3, 36, 44), dtype=np.float32)


@pytest.fixture(scope="package")
def anchored(sections):
    return build_model(preset("fast"), [0.0, 1.0, 3.0], sections, np.random.default_rng(0))
