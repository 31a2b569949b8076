"""Whatever bytes are thrown at it, reading gives a volume or an error of ours, never a crash or a foreign exception."""

import shutil
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_emgauss.errors import FileFormatError, OutOfMemoryError, VolumeError
from napari_emgauss.io import READABLE_SUFFIXES, read, write
from napari_emgauss.volume import Volume

OURS = (VolumeError, FileFormatError, OutOfMemoryError)
FILE_SUFFIXES = tuple(s for s in READABLE_SUFFIXES if s != ".zarr")
MAGIC = (b"", b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"\x89HDF\r\n\x1a\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def try_reading(path, **options):
    """Read everything; True if it worked."""
    try:
        volume = read(path, voxel_size_nm=(40, 4, 4), **options)
        volume.as_float()
    except OURS as error:
        message = str(error)
    else:
        return True
    assert any(words in message for words in (path.name, "section", "shape")), message
    return False


@pytest.fixture(scope="module")
def real_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    volume = Volume(np.random.default_rng(0).integers(0, 255, (4, 16, 16), dtype=np.uint8), (40, 4, 4))
    for name in ("a.tif", "a.mrc", "a.zarr"):
        write(volume, folder / name)
    with h5py.File(folder / "a.h5", "w") as file:
        file["raw"] = volume.data
    return folder


@settings(max_examples=120, deadline=None)
@given(suffix=st.sampled_from(FILE_SUFFIXES), magic=st.sampled_from(MAGIC), junk=st.binary(max_size=1500))
def test_random_bytes(suffix, magic, junk):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"junk{suffix}"
        path.write_bytes(magic + junk)
        assert not try_reading(path)


@settings(max_examples=30, deadline=None)
@given(suffix=st.sampled_from([".tif", ".png", ".jpg"]), magic=st.sampled_from(MAGIC), junk=st.binary(max_size=500))
def test_random_bytes_as_an_image_of_a_folder(suffix, magic, junk):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"junk{suffix}").write_bytes(magic + junk)
        with pytest.raises(OURS, match="junk"):
            read(folder, voxel_size_nm=(40, 4, 4))


@settings(max_examples=80, deadline=None)
@given(name=st.sampled_from(["a.tif", "a.mrc", "a.h5"]), kept=st.floats(0, 1, exclude_max=True))
def test_truncated_files(real_files, name, kept):
    with tempfile.TemporaryDirectory() as folder:
        whole = (real_files / name).read_bytes()
        path = Path(folder) / name
        path.write_bytes(whole[: int(kept * len(whole))])
        try_reading(path)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(["a.tif", "a.mrc", "a.h5"]),
    changes=st.lists(st.tuples(st.integers(0, 2047), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
)
def test_damaged_headers(real_files, name, changes):
    with tempfile.TemporaryDirectory() as folder:
        damaged = bytearray((real_files / name).read_bytes())
        for at, value in changes:
            damaged[at : at + len(value)] = value
        path = Path(folder) / name
        path.write_bytes(damaged)
        try_reading(path)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 10**12), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_damaged_zarr_metadata(real_files, data):
    import json

    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copytree(real_files / "a.zarr", Path(folder) / "a.zarr"))
        file = path / data.draw(st.sampled_from(["zarr.json", "0/zarr.json"]))
        document = json.loads(file.read_text())
        node, key = document, None
        for _ in range(data.draw(st.integers(1, 6))):
            keys = sorted(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            parent, key = node, data.draw(st.sampled_from(keys))
            node = parent[key]
            if not isinstance(node, dict | list):
                break
        parent[key] = data.draw(JSON)
        file.write_text(json.dumps(document))
        try_reading(path)


@settings(max_examples=40, deadline=None)
@given(
    suffix=st.sampled_from([".tif", ".zarr", ".mrc", ".h5"]),
    shape=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    dtype=st.sampled_from(["bool", "i1", "u1", ">u2", "<i2", "u4", "i8", "f2", ">f4", "f8", "c8"]),
    voxel=st.tuples(*[st.one_of(st.floats(), st.floats(1e-3, 1e6))] * 3),
)
def test_any_array_is_a_volume_that_survives_or_is_refused(suffix, shape, dtype, voxel):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        if suffix == ".h5":
            with h5py.File(path, "w") as file:
                file["raw"] = np.zeros(shape, dtype)
            try_reading(path, dataset="raw")
            return
        try:
            volume = Volume(np.zeros(shape, dtype), voxel)
            write(volume, path)
        except OURS:
            assert not path.exists()
            return
        back = read(path)
        assert (back.shape, back.dtype.name) == (volume.shape, volume.dtype.name)
        np.testing.assert_allclose(back.voxel_size_nm, voxel, rtol=1e-6)


def test_what_is_not_there_and_what_is_unknown(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read(tmp_path / "missing.tif")
    (tmp_path / "a.xyz").write_bytes(b"?")
    with pytest.raises(FileFormatError, match=r"\.tif, .*\.mrc, .*\.h5, .*\.zarr"):
        read(tmp_path / "a.xyz")
