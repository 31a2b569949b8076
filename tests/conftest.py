"""Stacks that many tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import jaxtyping
import numpy as np
import pytest
import torch
from annotated import check_arrays
from compiled_once import compile_once
from hypothesis import settings

if TYPE_CHECKING:
    from distributed import Client

    from napari_emgauss.volume import Volume

# Without a GPU triton's kernels are interpreted, which is decided when triton is first imported.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

# Before anything of the package is imported, so the fixtures import what they need themselves.
check_arrays(Path(__file__).resolve().parents[1] / "src" / "napari_emgauss")
compile_once()
jaxtyping.config.update("jaxtyping_disable", True)

# A busy machine is slow, not wrong.
settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

TESTS = Path(__file__).resolve().parent
UNCHECKED = {"_napari", "benchmarks", "cli", "docs"}
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what is there before the first test, modules and tests, from being looked through by every collection."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def annotations_as_advice(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check annotations in tests of what computes, but for those marked `misuse` (they pass what is forbidden).

    Nor in those marked `slow` (they train for long), those of widgets, commands and documents, and in fixtures that
    tests share: all of them call what is checked elsewhere, and a training takes a quarter longer with its checks.
    """
    folder = request.path.relative_to(TESTS).parts[0]
    marks = (request.node.get_closest_marker(mark) for mark in ("misuse", "slow"))
    jaxtyping.config.update("jaxtyping_disable", folder in UNCHECKED or any(marks))
    yield
    jaxtyping.config.update("jaxtyping_disable", True)


@pytest.fixture(scope="session")
def isotropic() -> Volume:
    """A small isotropic phantom: 25 × 48 × 40."""
    from napari_emgauss.phantoms import phantom

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


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    """Two worker processes, which tests of a file share; idle ones would keep asking for work."""
    from napari_emgauss.training.engines.clusters import local_cluster

    with local_cluster(2, memory_bytes=2**30) as client:
        yield client


@pytest.fixture
def counted_zarr(tmp_path, monkeypatch):
    """Make an OME-Zarr of 40 × 4 × 4 nm that is empty but for a window, and a list of the chunks read of it."""
    import zarr
    from zarr.storage import LocalStore

    chunks: list[tuple[int, ...]] = []

    class CountingStore(LocalStore):
        async def get(self, key, *args, **kwargs):
            if key.startswith("c/"):
                chunks.append(tuple(int(v) for v in key.split("/")[1:]))
            return await super().get(key, *args, **kwargs)

    def make(shape, chunk_shape, window):
        path = tmp_path / "wide.ome.zarr"
        axes = [{"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"]
        scale = [{"type": "scale", "scale": [40, 4, 4]}]
        image = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
        group = zarr.create_group(path, attributes={"ome": {"version": "0.5", "multiscales": [image]}})
        array = group.create_array("0", shape=shape, chunks=chunk_shape, dtype="uint8")
        y0, y1, x0, x1 = window
        size = (shape[0], y1 - y0, x1 - x0)
        array[:, y0:y1, x0:x1] = np.random.default_rng(0).integers(0, 255, size, np.uint8)
        monkeypatch.setattr("napari_emgauss.io.ome_zarr.reading.LocalStore", CountingStore)
        return path, array, chunks

    return make
