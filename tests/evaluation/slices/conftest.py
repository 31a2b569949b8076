import pytest

from napari_emgauss.phantoms import Acquisition, brain_phantom, simulate_stacks


@pytest.fixture(scope="session")
def acquired():
    """Three clean stacks of a small brain that moves."""
    truth, mask = brain_phantom((36, 40, 36))
    return simulate_stacks(truth, mask, Acquisition(thickness_mm=3.0, noise=0.01, corrupted=0.0), seed=1)
