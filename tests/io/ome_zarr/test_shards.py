"""Shards whose index or parts are damaged, or made to harm."""

import json
import os
import struct
import zlib

import numpy as np
import pytest
import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, ZstdCodec

from napari_emgauss.errors import FileFormatError
from napari_emgauss.io import read

DATA = np.random.default_rng(0).integers(0, 255, (8, 32, 32), dtype=np.uint8)
CHUNK, N_PARTS = (4, 16, 16), 8
CHECKED = (BytesCodec(), Crc32cCodec())
NONE = 2**64 - 1


def save(path, *, codecs=None, index=CHECKED, place="end"):
    """Write an OME-Zarr of one shard, whose index has a checksum or none."""
    group = zarr.open_group(path, mode="w", zarr_format=3)
    inner = [BytesCodec(), *(codecs or [ZstdCodec()])]
    sharding = ShardingCodec(chunk_shape=CHUNK, codecs=inner, index_codecs=index, index_location=place)
    group.create_array("0", shape=DATA.shape, dtype="u1", chunks=DATA.shape, serializer=sharding, compressors=None)[
        :
    ] = DATA
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [40, 4, 4]}]
    image = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    return path / "0" / "c" / "0" / "0" / "0"


def edit(file, change):
    """Change the index of a shard without a checksum; what ``change`` returns is appended to the parts."""
    whole = file.read_bytes()
    parts, index = whole[: -16 * N_PARTS], np.frombuffer(whole[-16 * N_PARTS :], "<u8").reshape(-1, 2).copy()
    added = change(index, len(parts))
    file.write_bytes(parts + (added or b"") + index.tobytes())


@pytest.mark.parametrize("place", ["start", "end"])
@pytest.mark.parametrize("index", [[BytesCodec()], [BytesCodec(), Crc32cCodec()], [BytesCodec(endian="big")]])
def test_an_index_is_found_wherever_it_is(tmp_path, place, index):
    save(tmp_path / "a.ome.zarr", index=index, place=place)
    assert np.array_equal(np.asarray(read(tmp_path / "a.ome.zarr").data), DATA)


@pytest.mark.parametrize(
    "entry",
    [(10**6, 10), (0, 10**6), (0, 2**40), (2**63, 10), (NONE, 10), (2**64 - 10, 20), (0, NONE), (0, 0)],
)
def test_a_part_outside_of_its_file_is_damage_and_not_nothing(tmp_path, entry):
    def change(index, _):
        index[3] = entry

    edit(save(tmp_path / "a.ome.zarr", index=[BytesCodec()]), change)
    with pytest.raises(FileFormatError, match=r"a\.ome\.zarr .*outside of its file"):
        read(tmp_path / "a.ome.zarr").section(0)


def test_a_part_that_was_never_written_is_the_fill_value(tmp_path):
    def change(index, _):
        index[0] = NONE

    edit(save(tmp_path / "a.ome.zarr", index=[BytesCodec()]), change)
    section = read(tmp_path / "a.ome.zarr").section(0)
    assert not section[:16, :16].any()
    assert np.array_equal(section[16:], DATA[0, 16:])


@pytest.mark.parametrize(
    ("n_bytes", "words"), [(0, "less than its index"), (100, "less than its index"), (10**9, "at most 268 MB can be")]
)
def test_a_shard_of_an_impossible_size_is_not_read(tmp_path, n_bytes, words):
    os.truncate(save(tmp_path / "a.ome.zarr"), n_bytes)
    with pytest.raises(FileFormatError, match=words):
        read(tmp_path / "a.ome.zarr").section(0)


def zstd_of_zeros(n_bytes):
    """Return a frame of blocks of one repeated byte, which does not say what it becomes."""
    blocks = n_bytes // 2**17
    headers = [(index == blocks - 1) | 1 << 1 | 2**17 << 3 for index in range(blocks)]
    return bytes.fromhex("28b52ffd0038") + b"".join(header.to_bytes(3, "little") + b"\0" for header in headers)


BOMB_BYTES = 300 * 2**20
BOMBS = {
    "zstd": (ZstdCodec(), zstd_of_zeros(BOMB_BYTES)),
    "zstd, second frame": (
        ZstdCodec(),
        zstd_of_zeros(2**17) + struct.pack("<II", 0x184D2A50, 0) + zstd_of_zeros(BOMB_BYTES),
    ),
    "gzip": (GzipCodec(), zlib.compress(bytes(BOMB_BYTES), 1, 31)),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("codecs", [[], [Crc32cCodec()]])
def test_a_part_that_unpacks_to_far_more_than_declared_is_not_unpacked(tmp_path, bomb, codecs):
    packing, content = BOMBS[bomb]

    def change(index, end):
        index[3] = end, len(content)
        return content

    edit(save(tmp_path / "a.ome.zarr", codecs=[packing, *codecs], index=[BytesCodec()]), change)
    with pytest.raises(FileFormatError, match="unpack to"):
        read(tmp_path / "a.ome.zarr").section(0)


def test_a_zstd_frame_that_does_not_say_its_size_is_read_where_it_is_harmless(tmp_path):
    part = bytes(np.prod(CHUNK))

    def change(index, end):
        content = bytes.fromhex("28b52ffd0038") + (1 | len(part) << 3).to_bytes(3, "little") + part
        index[0] = end, len(content)
        return content

    edit(save(tmp_path / "a.ome.zarr", index=[BytesCodec()]), change)
    assert not read(tmp_path / "a.ome.zarr").section(0)[:16, :16].any()


@pytest.mark.parametrize("kind", ["outside", "index", "within", "after"])
def test_what_leaves_no_bound_for_shards_is_refused(tmp_path, kind):
    file = save(tmp_path / "a.ome.zarr").parents[3] / "zarr.json"
    meta = json.loads(file.read_text())
    (sharding,) = meta["codecs"]
    inner, gzip = sharding["configuration"], {"name": "gzip", "configuration": {"level": 1}}
    if kind == "outside":
        meta["codecs"].append(gzip)
    elif kind == "index":
        inner["codecs"], inner["index_codecs"] = inner["codecs"][:1], [inner["index_codecs"][0], gzip]
    elif kind == "within":
        again = {**inner, "codecs": inner["codecs"][:1]}
        inner["codecs"] = [{"name": "sharding_indexed", "configuration": again}]
    else:
        inner["codecs"].append({"name": "numcodecs.shuffle", "configuration": {"elementsize": 2}})
    file.write_text(json.dumps(meta))
    with pytest.raises(FileFormatError, match="not accepted"):
        read(tmp_path / "a.ome.zarr")
