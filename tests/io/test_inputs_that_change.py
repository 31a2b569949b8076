"""A stack that is deleted, shortened or replaced while it is used is an error, never zeros and never a crash."""

import os
import shutil
import subprocess
import sys

import cv2
import h5py
import numpy as np
import pytest
import tifffile
import zarr

from napari_emgauss.errors import FileFormatError
from napari_emgauss.io import read, write
from napari_emgauss.volume import Volume

VOXEL = (40, 4, 4)
KINDS = ("plain.tif", "tiles.tif", "a.mrc", "bytes.mrc", "a.h5", "a.ome.zarr", "folder")


def data(seed=0):
    return np.random.default_rng(seed).integers(1, 255, (6, 40, 48), np.uint8)


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch):
    """Make readers leave everything on the disk."""
    for module in ("tiff", "folder"):
        monkeypatch.setattr(f"napari_emgauss.io.{module}.DECODED_AT_ONCE_BYTES", 100)


def save(path, values):
    if path.name == "folder":
        path.mkdir()
        for index, section in enumerate(values):
            cv2.imwrite(str(path / f"{index}.png"), section)
    elif path.name == "tiles.tif":
        tifffile.imwrite(path, values, tile=(16, 16), compression="zlib", metadata={"axes": "ZYX"})
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("raw", data=values, chunks=(1, 40, 48))
    elif path.name == "a.mrc":
        write(Volume(values.astype(np.int16), VOXEL), path)
    else:
        write(Volume(values, VOXEL), path)
    return path


def delete(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def replace(path):
    other = save(path.with_name("other") / path.name, data(1))
    delete(path)
    other.rename(path)


@pytest.fixture
def opened(tmp_path):
    (tmp_path / "other").mkdir()

    def open_kind(kind):
        path = save(tmp_path / kind, data())
        return path, read(path, voxel_size_nm=VOXEL)

    return open_kind


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_alone_is_read_whole_and_in_parts(opened, kind):
    _, volume = opened(kind)
    assert np.array_equal(volume.data[:], data())
    assert np.array_equal(volume.data[4:1:-2, 3:30:7, 40:2:-3], data()[4:1:-2, 3:30:7, 40:2:-3])
    assert np.array_equal(volume.section(3, (5, 9, 7, 8)), data()[3, 5:9, 7:8])
    assert np.array_equal(volume.every(2).section(1), data()[2])


@pytest.mark.parametrize("change", [delete, replace])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_deleted_or_replaced_is_noticed_at_the_next_read(opened, kind, change):
    path, volume = opened(kind)
    volume.section(0)
    change(path)
    with pytest.raises(FileFormatError, match=f"{path.name}.*(no longer there|changed)"):
        volume.section(3)


@pytest.mark.parametrize("kind", ["plain.tif", "tiles.tif", "a.mrc", "bytes.mrc", "a.h5"])
def test_what_is_cut_short_is_noticed_at_the_next_read(opened, kind):
    path, volume = opened(kind)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(FileFormatError, match=path.name):
        volume.section(5)


def chunked(path, version):
    """An OME-Zarr of chunks of 8 voxels; its array."""
    axes = [{"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"]
    scale = [{"type": "scale", "scale": list(VOXEL)}]
    image = {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    group.create_array("0", data=data(), chunks=(6, 8, 8))
    group.attrs.update({"multiscales": [image]} if version == "0.4" else {"ome": {"multiscales": [image]}})
    return path


@pytest.mark.parametrize("version", ["0.5", "0.4"])
def test_a_chunk_that_is_gone_is_noticed_though_the_rest_of_the_store_is_there(tmp_path, version):
    path = chunked(tmp_path / "a.ome.zarr", version)
    volume = read(path)
    chunk = path / "0" / ("0.1.1" if version == "0.4" else "c/0/1/1")
    chunk.unlink()
    assert volume.section(1, (0, 8, 0, 8)).all()
    with pytest.raises(FileFormatError, match=r"a\.ome\.zarr.*1 chunk.*no longer there"):
        volume.section(1)


def test_chunks_that_were_never_there_are_told_when_a_store_is_opened(tmp_path):
    path = chunked(tmp_path / "a.ome.zarr", "0.5")
    whole = read(path)
    assert "not in the file" not in whole.describe()
    for name in ("0/0/0", "0/1/1"):
        (path / "0" / "c" / name).unlink()
    volume = read(path)
    assert "2 of 30 chunks are not there and read as 0" in volume.describe()
    assert not volume.section(0, (0, 8, 0, 8)).any()


@pytest.mark.parametrize("kind", ["plain.tif", "a.mrc"])
def test_a_file_that_shrinks_while_it_is_read_never_kills_the_process(opened, kind):
    path, _ = opened(kind)
    code = (
        "import os, sys, napari_emgauss as eg\n"
        "volume = eg.read(sys.argv[1])\n"
        "os.truncate(sys.argv[1], 2000)\n"
        "try:\n    volume.section(5)\nexcept ValueError as error:\n    print('refused', error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:7]) == (0, "refused"), done.stderr
