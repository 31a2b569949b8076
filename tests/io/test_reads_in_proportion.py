"""A part of a section costs what it holds, whatever the stack's size: counted at the store."""

import h5py
import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore

from napari_emgauss.io import read
from napari_emgauss.sections import Corrections, corrected
from napari_emgauss.volume import Volume

SHAPE, CHUNKS = (20, 8192, 8192), (4, 256, 256)
REGION = (4000, 4300, 1000, 1200)


class CountingStore(LocalStore):
    """Remembers the chunks that are read."""

    chunks: list

    async def get(self, key, *args, **kwargs):
        if key.startswith("c/"):
            self.chunks.append(key)
        return await super().get(key, *args, **kwargs)


@pytest.fixture
def wide(tmp_path, monkeypatch):
    """A stack of wide sections that was written here and there, and the chunks read of it."""
    path = tmp_path / "wide.ome.zarr"
    axes = [{"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"]
    scale = [{"type": "scale", "scale": [40, 4, 4]}]
    image = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    group = zarr.create_group(path, attributes={"ome": {"version": "0.5", "multiscales": [image]}})
    array = group.create_array("0", shape=SHAPE, chunks=CHUNKS, dtype="uint8")
    array[:, 3900:4400, 900:1300] = np.random.default_rng(0).integers(0, 255, (20, 500, 400), np.uint8)
    monkeypatch.setattr(CountingStore, "chunks", [], raising=False)
    monkeypatch.setattr("napari_emgauss.io.ome_zarr.LocalStore", CountingStore)
    return read(path), array, CountingStore.chunks


def test_a_region_of_an_ome_zarr_reads_the_chunks_it_touches(wide):
    volume, array, chunks = wide
    image = volume.section(9, REGION)
    np.testing.assert_array_equal(image, array[9, 4000:4300, 1000:1200])
    assert image.any()
    assert set(chunks) == {f"c/2/{y}/{x}" for y in (15, 16) for x in (3, 4)}
    assert len(chunks) == 4


def test_a_correction_reads_a_margin_and_no_more(wide):
    volume, _, chunks = wide
    n = volume.n_sections
    shifts = np.random.default_rng(1).uniform(-3, 3, (n, 2))
    corrections = Corrections(gains=np.full(n, 1.1), offsets=np.zeros(n), shifts_px=shifts)
    part = corrected(volume, corrections).section(9, (4100, 4300, 1000, 1020))
    assert set(chunks) == {f"c/2/{y}/{x}" for y in (15, 16) for x in (3, 4)}  # the margin reaches column 1024
    inside = corrected(Volume(volume.data[:, 3900:4400, 900:1300], (40, 4, 4)), corrections)
    np.testing.assert_allclose(part, inside.section(9, (200, 400, 100, 120)), atol=0.05)


def test_a_region_of_a_chunked_hdf5_is_read_without_the_rest(tmp_path, monkeypatch):
    path = tmp_path / "wide.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("raw", SHAPE, "u1", chunks=CHUNKS)
        data[8:12, 3900:4400, 900:1300] = 7
        data.attrs["resolution"] = (40.0, 4.0, 4.0)
    asked = []
    whole = h5py.Dataset.__getitem__
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda self, key, *a: asked.append(key) or whole(self, key, *a))
    assert (read(path).section(9, REGION) == 7).all()
    assert asked == [(slice(9, 10, 1), slice(4000, 4300, 1), slice(1000, 1200, 1))]
