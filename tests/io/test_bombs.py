"""Small files that would take the machine are refused before they do: each is read by a process with little memory.

The processes are forked by one that has imported what they need.
"""

import json
import os
import struct
import subprocess
import sys
import zlib

import cv2
import h5py
import numpy as np
import pytest
import tifffile
import zarr

import napari_emgauss as eg
from napari_emgauss.errors import VolumeError
from napari_emgauss.io import write
from napari_emgauss.volume import Volume

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")

READ = """
import json, os, resource, sys, cv2, h5py, tifffile, zarr, napari_emgauss as eg, napari_emgauss.io
resource.setrlimit(resource.RLIMIT_DATA, (3 * 2**30, 3 * 2**30))

def read(path, voxel_size_nm):
    try:
        volume = eg.read(path, voxel_size_nm=voxel_size_nm)
        for index in range(min(volume.n_sections, 3)):
            volume.section(index, (0, 16, 0, 16))
            volume.section(index)
    except (ValueError, MemoryError, OSError) as error:
        return type(error).__name__ + " " + str(error)
    return "read"

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        text = read(*json.loads(line))
        peak = int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) // 1024
        print(json.dumps([text, peak]), flush=True)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status != 0:
        print(json.dumps([f"died: {status}", 0]), flush=True)
"""
BOMB_BYTES, MOST_MIB = 400 * 2**20, 350
DATA = np.random.default_rng(0).integers(0, 255, (4, 64, 64), np.uint8)


@pytest.fixture(scope="module")
def reading():
    """Read a file elsewhere; what came of it, and the process's peak in MiB."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", READ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def read(path, voxel_size_nm=(40, 4, 4)):
            process.stdin.write(json.dumps([str(path), voxel_size_nm]) + "\n")
            process.stdin.flush()
            text, peak = json.loads(process.stdout.readline())
            return text.replace("\n", " "), peak

        yield read


@pytest.fixture
def refused(reading):
    """Make sure that a file is refused in words that name it, and in little memory."""
    return lambda path, *words: assert_refused(path, *reading(path), words)


def assert_refused(path, text, peak, words):
    assert text.startswith(("FileFormatError", "VolumeError", "OutOfMemoryError")), text
    assert path.name in text
    assert any(word in text for word in words), text
    assert peak < MOST_MIB


def ome(group):
    axes = [{"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"]
    scale = [{"type": "scale", "scale": [40, 4, 4]}]
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    ]


QUICKEST = {"zlib": {"level": 1}, "gzip": {"level": 1}, "bz2": {"level": 1}, "lzma": {"preset": 0}}


@pytest.mark.parametrize("codec", ["zlib", "gzip", "bz2", "lzma", "zstd", "blosc", "lz4"])
def test_a_chunk_that_unpacks_to_far_more_than_declared(tmp_path, codec, refused):
    import numcodecs

    path = tmp_path / "bomb.ome.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    packing = numcodecs.get_codec({"id": codec, **QUICKEST.get(codec, {})})
    group.create_array("0", data=DATA, chunks=(1, 64, 64), compressors=packing)
    ome(group)
    (path / "0" / "1.0.0").write_bytes(packing.encode(np.zeros(BOMB_BYTES, np.uint8)))
    refused(path, "unpack to")


def test_many_chunks_that_are_honest_and_huge(tmp_path, reading):
    path = tmp_path / "huge.ome.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    array = group.create_array("0", shape=(2, 24000, 24000), chunks=(2, 8000, 8000), dtype="u1")
    ome(group)
    packed = array.compressors[0].encode(np.zeros(2 * 8000 * 8000, np.uint8))
    for y, x in np.ndindex(3, 3):
        (path / "0" / f"0.{y}.{x}").write_bytes(packed)
    text, peak = reading(path)
    assert text.startswith(("read", "OutOfMemoryError"))
    assert peak < 1000


def test_a_strip_that_unpacks_to_far_more_than_declared(tmp_path, refused):
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, DATA, compression="zlib", photometric="minisblack", metadata={"axes": "ZYX"})
    bomb = zlib.compress(bytes(BOMB_BYTES), 1)
    with tifffile.TiffFile(path) as tif:
        tags = [page.tags[name] for page in tif.pages for name in ("StripOffsets", "StripByteCounts")]
        places = [(tag.valueoffset, tag.name) for tag in tags]
    whole = bytearray(path.read_bytes())
    for at, name in places:
        struct.pack_into("<I", whole, at, len(whole) if name == "StripOffsets" else len(bomb))
    path.write_bytes(bytes(whole) + bomb)
    refused(path, "unpack to")


def test_an_hdf5_chunk_that_unpacks_to_far_more_than_declared(tmp_path, refused):
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("raw", data=DATA, chunks=(1, 64, 64), compression="gzip")
        data.id.write_direct_chunk((1, 0, 0), zlib.compress(bytes(BOMB_BYTES), 1))
    refused(path, "unpack to")


def test_an_lzf_chunk_of_hdf5_that_unpacks_to_far_more_than_declared(tmp_path, refused):
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("raw", data=DATA, chunks=(1, 64, 64), compression="lzf")
        data.id.write_direct_chunk((1, 0, 0), b"\0A" + b"\xe0\xff\0" * (BOMB_BYTES // 264))
    refused(path, "unpack to")


@pytest.mark.parametrize("kind", ["zarr.json", ".zarray", "h5"])
def test_what_is_packed_twice_has_no_bound_and_is_not_unpacked(tmp_path, kind, refused):
    path = tmp_path / ("a.h5" if kind == "h5" else "a.ome.zarr")
    if kind == "h5":
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk((1, 64, 64))
        for _ in range(2):
            made.set_filter(h5py.h5z.FILTER_DEFLATE, 0, (1,))
        with h5py.File(path, "w") as file:
            h5py.h5d.create(file.id, b"raw", h5py.h5t.NATIVE_UINT8, h5py.h5s.create_simple(DATA.shape), made)
            file["raw"][:] = DATA
    else:
        group = zarr.open_group(path, mode="w", zarr_format=2 if kind == ".zarray" else 3)
        group.create_array("0", data=DATA, chunks=(1, 64, 64))
        ome(group)
        known = json.loads((path / "0" / kind).read_text())
        if kind == ".zarray":
            known |= {"compressor": {"id": "zlib", "level": 1}, "filters": [{"id": "gzip", "level": 1}]}
        else:
            packing = [{"name": name, "configuration": {"level": 1}} for name in ("gzip", "gzip")]
            known["codecs"] = [known["codecs"][0], *packing]
        (path / "0" / kind).write_text(json.dumps(known))
    refused(path, "more than once")


def test_a_chunk_that_is_a_pipe_is_not_waited_for(tmp_path, refused):
    path = write(Volume(DATA, (40, 4, 4)), tmp_path / "a.ome.zarr")
    chunk = next(file for file in (path / "0" / "c").rglob("*") if file.is_file())
    chunk.unlink()
    os.mkfifo(chunk)
    refused(path, "is no file")


def test_names_in_an_hdf5_file_do_not_break_the_line(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in ("a\nb\x1b[2J", "c"):
            file[name] = DATA
    with pytest.raises(VolumeError) as told:
        eg.read(tmp_path / "a.h5", voxel_size_nm=(40, 4, 4))
    assert str(told.value).isprintable()


def png(width, height):
    def part(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    rows = zlib.compress(bytes((width + 1) * height), 1)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", rows) + part(b"IEND", b"")


@pytest.mark.parametrize("first", [True, False])
def test_an_image_whose_header_says_that_it_is_huge(tmp_path, first, reading):
    path = tmp_path / "images"
    path.mkdir()
    for index in range(4):
        cv2.imwrite(str(path / f"{index}.png"), DATA[0])
    (path / f"{0 if first else 2}.png").write_bytes(png(40000, 30000))
    text, peak = reading(path)
    assert text.startswith(("VolumeError", "OutOfMemoryError", "FileFormatError")), text
    assert "png" in text
    assert peak < MOST_MIB


def test_a_jpeg_whose_header_says_that_it_is_huge(tmp_path, reading):
    path = tmp_path / "images"
    path.mkdir()
    for index in range(3):
        cv2.imwrite(str(path / f"{index}.jpg"), DATA[0])
    whole = bytearray((path / "1.jpg").read_bytes())
    at = whole.index(b"\xff\xc0")
    struct.pack_into(">HH", whole, at + 5, 60000, 30000)
    (path / "1.jpg").write_bytes(whole)
    text, peak = reading(path)
    assert "jpg" in text
    assert peak < MOST_MIB


def test_the_extended_header_of_an_mrc_is_not_believed(tmp_path, refused):
    path = write(Volume(DATA, (40, 4, 4)), tmp_path / "a.mrc")
    whole = bytearray(path.read_bytes())
    struct.pack_into("<i", whole, 92, 2**31 - 1)
    path.write_bytes(whole)
    refused(path, "truncated")


@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_chain_of_pages_that_bites_its_tail(tmp_path, bigtiff, refused):
    path = tmp_path / "circle.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as tif:
        for section in DATA:
            tif.write(section, metadata=None, contiguous=False)
    whole = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        offsets = [page.offset for page in tif.pages]
        n_tags = len(tif.pages[-1].tags)
    if bigtiff:
        struct.pack_into("<Q", whole, offsets[-1] + 8 + 20 * n_tags, offsets[1])
    else:
        struct.pack_into("<I", whole, offsets[-1] + 2 + 12 * n_tags, offsets[1])
    path.write_bytes(whole)
    refused(path, "circle")


@pytest.mark.parametrize("name", ["pipe.tif", "pipe.mrc", "pipe.h5"])
def test_a_pipe_is_no_file_to_wait_for(tmp_path, name, refused):
    os.mkfifo(tmp_path / name)
    refused(tmp_path / name, "no file")


@pytest.mark.parametrize("shape", [(2**20, 2**20, 2**20), (2**40, 64, 64), (8, 2**31, 2**31)])
def test_a_zarr_of_an_absurd_shape(tmp_path, shape, reading):
    path = tmp_path / "absurd.ome.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", shape=shape, chunks=(1, 64, 64), dtype="u1")
    ome(group)
    text, peak = reading(path)
    assert "absurd.ome.zarr" in text
    assert "plausible" in text or "memory" in text, text
    assert peak < MOST_MIB


@pytest.mark.parametrize("voxel", [[1e300, 4, 4], [1e6, 4, 1e6], [4, 1e-200, 4], [40, 4, 4e9]])
def test_a_zarr_of_absurd_voxels(tmp_path, voxel, reading):
    path = write(Volume(DATA, (40, 4, 4)), tmp_path / "a.ome.zarr")
    meta = json.loads((path / "zarr.json").read_text())
    meta["attributes"]["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"] = voxel
    (path / "zarr.json").write_text(json.dumps(meta))
    text, _ = reading(path, None)
    assert text.startswith("VoxelSizeError")
    assert "plausible" in text


def test_links_out_of_a_store_are_not_followed(tmp_path, refused):
    path = tmp_path / "a.ome.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=DATA, chunks=(1, 64, 64), compressors=None)
    ome(group)
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(64 * 64))
    (path / "0" / "1.0.0").unlink()
    (path / "0" / "1.0.0").symlink_to(secret)
    refused(path, "outside")


def test_a_chunk_that_is_packed_by_a_filter_alone(tmp_path, refused):
    path = tmp_path / "bomb.ome.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=DATA, chunks=(1, 64, 64), compressors=None)
    ome(group)
    known = json.loads((path / "0" / ".zarray").read_text())
    (path / "0" / ".zarray").write_text(json.dumps({**known, "filters": [{"id": "zlib", "level": 1}]}))
    (path / "0" / "0.0.0").write_bytes(zlib.compress(bytes(BOMB_BYTES), 1))
    refused(path, "unpack to")
