"""Servers that send more than there can be: refused by their first answer, before memory fills."""

import json
import zlib
from contextlib import suppress

import numcodecs
import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.errors import FileFormatError
from napari_emgauss.io import read, write
from napari_emgauss.io.location import Url
from napari_emgauss.io.remote.first_look import FirstLook

pytest.importorskip("tensorstore", reason="pip install 'napari-emgauss[remote]'")
WAYS = ["chunked", "until closed", "announced", "contradicted", "packed", "part", "error"]
MOST_SENT = 200 * 2**20
"""So that a test that fails has an end."""


class Flood:
    """Sends the same bytes for ever, in one of the ways of HTTP; counts them."""

    def __init__(self, way):
        self.way, self.n_bytes = way, 0

    def __call__(self, handler):
        packing = zlib.compressobj(1, zlib.DEFLATED, 31)
        handler.send_response(404 if self.way == "error" else 206 if self.way == "part" else 200)
        if self.way == "packed":
            handler.send_header("Content-Encoding", "gzip")
        if self.way in ("announced", "contradicted"):
            handler.send_header("Content-Length", str(2**50 if self.way == "announced" else 100))
        if self.way not in ("announced", "until closed"):
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        with suppress(OSError):
            while self.n_bytes < MOST_SENT:
                sent = packing.compress(bytes(2**20)) if self.way == "packed" else b" " * 2**16
                framed = b"%x\r\n%b\r\n" % (len(sent), sent)
                if sent:
                    handler.wfile.write(framed if self.way not in ("announced", "until closed") else sent)
                self.n_bytes += 2**20 if self.way == "packed" else len(sent)


@pytest.mark.parametrize("way", WAYS)
def test_a_description_without_end_is_refused_and_hardly_read(server, faulty, way):
    faulty["zarr.json"] = flood = Flood(way)
    with pytest.raises(ConnectionError, match=rf"{server}/a\.ome\.zarr/zarr\.json.*16\.8 MB at most.*copy the stack"):
        read(f"{server}/a.ome.zarr")
    assert flood.n_bytes < MOST_SENT / 2


@pytest.mark.parametrize("most_asked", [0, 1024])
def test_a_chunk_without_end_is_refused(tmp_path, server, faulty, values, monkeypatch, most_asked):
    monkeypatch.setattr("napari_emgauss.io.remote.chunks.MOST_ASKED", most_asked)
    monkeypatch.setattr("napari_emgauss.io.remote.chunks.HARMLESS_BYTES", 2**24)
    write(eg.Volume(values, (40, 4, 4)), tmp_path / "a.ome.zarr")
    faulty["c/1/0/0"] = flood = Flood("chunked")
    with pytest.raises(ConnectionError, match=r"c/1/0/0 is not read: its server sends more and more.*chunk"):
        read(f"{server}/a.ome.zarr").data[:]
    assert flood.n_bytes < MOST_SENT / 2


def bomb(codec, n_mib):
    """Return zeros, packed without having them all in memory."""
    if codec == "zstd":  # frames may follow each other; the library looks at the first
        return numcodecs.Zstd(1).encode(bytes(n_mib * 2**20))
    packing = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(packing.compress(bytes(2**20)) for _ in range(n_mib)) + packing.flush()


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_served_chunk_that_unpacks_to_far_more_than_declared_is_refused(tmp_path, server, codec):
    resource = pytest.importorskip("resource")
    path = write(eg.Volume(np.ones((4, 32, 32), np.uint8), (40, 4, 4)), tmp_path / "a.ome.zarr")
    known = json.loads((path / "0" / "zarr.json").read_text())
    own = {"gzip": {"level": 1}, "zstd": {"level": 1, "checksum": False}}[codec]
    known["codecs"] = [known["codecs"][0], {"name": codec, "configuration": own}]
    (path / "0" / "zarr.json").write_text(json.dumps(known))
    packed = bomb(codec, 400)
    chunk = next(file for file in (path / "0" / "c").rglob("*") if file.is_file())
    chunk.write_bytes(packed)
    volume = read(f"{server}/a.ome.zarr")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((FileFormatError, ConnectionError), match=r"a\.ome\.zarr"):
        volume.data[:]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 2**10  # kB


def test_a_file_that_is_only_larger_is_told_with_both_sizes(tmp_path, server):
    (tmp_path / "c").write_bytes(bytes(3000))
    look = FirstLook(Url(server))
    with pytest.raises(ConnectionError, match=r"/c is not read: its server wants to send 3 kB, and a chunk takes"):
        look.ask(["c"], 1000, what="a chunk")
    assert look.ask(["c", "d"], 3000, what="a chunk") == {"c": True, "d": False}
    assert look.ask(["c"], 1000, what="a chunk", in_parts=True) == {"c": True}


def test_buckets_and_servers_that_do_not_answer_are_left_to_the_library():
    assert FirstLook(Url("s3://bucket")).ask(["c"], 1, what="a chunk") == {}
    assert FirstLook(Url("http://127.0.0.1:9")).ask(map(str, range(50)), 1, what="a chunk") == {}
