"""A stack in a file can be named, and the name opens it in another process."""

import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest

from napari_emgauss.io import SourceRef, read, write
from napari_emgauss.sections import Corrections, corrected
from napari_emgauss.volume import Volume

DATA = np.random.default_rng(0).integers(0, 255, (5, 30, 40), dtype=np.uint8)
OPEN_AND_SEND = (
    "import pickle, sys; volume = pickle.load(sys.stdin.buffer).open(); "
    "sys.stdout.buffer.write(pickle.dumps((volume.voxel_size_nm, volume.section(3, (2, 20, 5, 30)))))"
)


@pytest.mark.parametrize("name", ["a.ome.tif", "a.ome.zarr", "a.mrc", "a.h5"])
def test_another_process_opens_the_same_stack(tmp_path, monkeypatch, name):
    path = tmp_path / name
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["other"] = file["raw"] = DATA
    else:
        write(Volume(DATA, (40, 4, 4)), path)
    monkeypatch.chdir(tmp_path)
    dataset = "raw" if path.suffix == ".h5" else None
    volume = read(name, voxel_size_nm=(50, 5, 5), dataset=dataset)
    assert volume.source == SourceRef(path=path, dataset=dataset, voxel_size_nm=(50, 5, 5))
    sent = pickle.dumps(volume.source)
    assert len(sent) < 1000
    monkeypatch.chdir(tmp_path.parent)
    answer = subprocess.run([sys.executable, "-c", OPEN_AND_SEND], input=sent, capture_output=True, check=True)
    size, part = pickle.loads(answer.stdout)
    assert size == (50, 5, 5)
    np.testing.assert_array_equal(part, DATA[3, 2:20, 5:30])


def test_what_is_made_of_a_stack_is_not_named_like_it(tmp_path):
    path = write(Volume(DATA, (8, 8, 8)), tmp_path / "a.ome.tif")
    volume = read(path)
    assert volume.every(2).source is None
    n = volume.n_sections
    brighter = Corrections(gains=np.full(n, 1.1), offsets=np.zeros(n), shifts_px=np.zeros((n, 2)))
    assert corrected(volume, brighter).source is None
    assert Volume(DATA, (8, 8, 8)).source is None
