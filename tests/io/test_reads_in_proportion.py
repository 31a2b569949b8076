"""A part of a section costs what it holds, whatever the stack's size: counted at the store."""

import h5py
import numpy as np
import pytest

from napari_emgauss.io import read
from napari_emgauss.sections import Corrections, corrected
from napari_emgauss.volume import Volume

SHAPE, CHUNKS = (20, 8192, 8192), (4, 256, 256)
REGION = (4000, 4300, 1000, 1200)


@pytest.fixture
def wide(counted_zarr):
    """A stack of wide sections that was written here and there, and the chunks read of it."""
    path, array, chunks = counted_zarr(SHAPE, CHUNKS, (3900, 4400, 900, 1300))
    return read(path), array, chunks


def test_a_region_of_an_ome_zarr_reads_the_chunks_it_touches(wide):
    volume, array, chunks = wide
    image = volume.section(9, REGION)
    np.testing.assert_array_equal(image, array[9, 4000:4300, 1000:1200])
    assert image.any()
    assert set(chunks) == {(2, y, x) for y in (15, 16) for x in (3, 4)}
    assert len(chunks) == 4


def test_a_correction_reads_a_margin_and_no_more(wide):
    volume, _, chunks = wide
    n = volume.n_sections
    shifts = np.random.default_rng(1).uniform(-3, 3, (n, 2))
    corrections = Corrections(gains=np.full(n, 1.1), offsets=np.zeros(n), shifts_px=shifts)
    part = corrected(volume, corrections).section(9, (4100, 4300, 1000, 1020))
    assert set(chunks) == {(2, y, x) for y in (15, 16) for x in (3, 4)}  # the margin reaches column 1024
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
