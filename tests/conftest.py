"""Stacks that many tests share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from napari_emgauss.phantoms import phantom
from napari_emgauss.volume import Volume

# A busy machine is slow, not wrong.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def briefly_taught():
    """Shorten the training of the default preset's teacher from thousands of steps to two; gives what ships."""
    from napari_emgauss.methods.emgauss import PRESETS

    shipped = PRESETS["balanced"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "balanced", {**PRESETS["balanced"], "lateral_steps": 2})
        yield shipped


@pytest.fixture
def balanced_as_shipped(briefly_taught, monkeypatch):
    """Undo `briefly_taught` for one test."""
    from napari_emgauss.methods.emgauss import PRESETS

    monkeypatch.setitem(PRESETS, "balanced", briefly_taught)


@pytest.fixture(scope="session")
def isotropic() -> Volume:
    """A small isotropic phantom: 25 × 48 × 40."""
    return phantom((25, 48, 40), seed=3)


@pytest.fixture(scope="session")
def stack(isotropic: Volume) -> Volume:
    """Five sections, six times coarser along z."""
    return isotropic.every(6)


@pytest.fixture(scope="session")
def fib25() -> np.ndarray:
    """A real FIB-SEM crop, 37 × 128 × 128; skips where the file is absent."""
    path = SHARED / "fib25_sample2.tif"
    if not path.exists():
        pytest.skip(f"real data are absent: {path.name}")
    import tifffile

    return np.asarray(tifffile.imread(path)[:37, :128, :128])
