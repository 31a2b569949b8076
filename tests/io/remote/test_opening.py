"""Stacks on a server, in a bucket and in N5."""

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

import napari_emgauss as eg
from napari_emgauss.cli import main
from napari_emgauss.errors import FileFormatError, MissingLibraryError, OutOfMemoryError, VoxelSizeError
from napari_emgauss.io import read, write
from napari_emgauss.io.ome_zarr import Box, ShardedVolume
from napari_emgauss.io.remote import store

pytest.importorskip("tensorstore", reason="pip install 'napari-emgauss[remote]'")
VOXEL, ORIGIN = (40.0, 4.0, 5.0), (80.0, 0.0, -10.0)


def plain(path, values):
    return write(eg.Volume(values, VOXEL, ORIGIN, {"sample": "cortex"}), path)


def sharded(path, values):
    volume = ShardedVolume.begin(
        path, shape=values.shape, dtype=values.dtype, voxel_size_nm=VOXEL, origin_nm=ORIGIN,
        shard=(16, 32, 64), chunk=(8, 16, 16), metadata={"sample": "cortex"},
    )  # fmt: skip
    volume.write(Box((0, 0, 0), values.shape), values)
    return volume.finish()


def version_4(path, values):
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    steps = [{"type": "scale", "scale": VOXEL}, {"type": "translation", "translation": ORIGIN}]
    image = {"version": "0.4", "axes": axes, "datasets": [{"path": "s0", "coordinateTransformations": steps}]}
    group = zarr.open_group(path, mode="w", zarr_format=2, attributes={"multiscales": [image]})
    group.create_array("s0", data=values, chunks=(8, 16, 16))
    group.attrs["napari-emgauss"] = {"metadata": {"sample": "cortex"}}
    return path


@pytest.mark.parametrize("make", [plain, sharded, version_4])
def test_ome_zarr_on_a_server_is_what_it_is_in_a_folder(tmp_path, server, asked, values, make):
    local = read(make(tmp_path / "a.ome.zarr", values))
    volume = read(f"{server}/a.ome.zarr")
    assert (volume.shape, volume.dtype) == (local.shape, local.dtype)
    assert (volume.voxel_size_nm, volume.origin_nm) == (local.voxel_size_nm, local.origin_nm) == (VOXEL, ORIGIN)
    assert volume.metadata["sample"] == local.metadata["sample"] == "cortex"
    asked.clear()
    for window in (np.s_[9:14, 17:30, 3:15], np.s_[-1], np.s_[30:3:-7, ::5, 69]):
        np.testing.assert_array_equal(volume.data[window], values[window])
        np.testing.assert_array_equal(local.data[window], values[window])
    again = pickle.loads(pickle.dumps(volume.source)).open()
    np.testing.assert_array_equal(again.section(5, (0, 16, 0, 16)), values[5, :16, :16])


def test_a_window_fetches_the_chunks_that_it_touches_and_no_more(tmp_path, server, asked, values):
    sharded(tmp_path / "a.ome.zarr", values)
    volume = read(f"{server}/a.ome.zarr")
    asked.clear()
    volume.data[0:8, 0:16, 0:16]
    assert {path for path, _ in asked} == {"/a.ome.zarr/0/c/0/0/0"}
    assert all(part is not None for _, part in asked)
    asked.clear()
    volume.data[2:5, 3:9, 0:4]  # of the same chunk, which is still there
    assert asked == []


@pytest.mark.parametrize("where", ["server", "folder", "file"])
@pytest.mark.parametrize(
    ("attributes", "voxel", "origin"),
    [
        ({"pixelResolution": {"dimensions": [4, 5, 40], "unit": "nm"}}, (40, 5, 4), (0, 0, 0)),
        ({"pixelResolution": [0.004, 0.005, 0.04], "resolution": [1, 1, 1]}, (0.04, 0.005, 0.004), (0, 0, 0)),
        ({"resolution": [4, 5, 40], "offset": [1, 2, 3]}, (40, 5, 4), (3, 2, 1)),
        (
            {"transform": {"axes": ["z", "y", "x"], "scale": [0.04, 0.005, 0.004], "units": ["um"] * 3}},
            (40, 5, 4),
            (0, 0, 0),
        ),
    ],
)
def test_n5_is_read_with_the_size_that_its_writers_state(
    tmp_path, server, values, make_n5, where, attributes, voxel, origin
):
    make_n5(tmp_path / "a.n5" / "em" / "s0", **attributes)
    base = {"server": f"{server}/a.n5", "folder": tmp_path / "a.n5", "file": f"file://{tmp_path}/a.n5"}[where]
    for volume in (read(base, dataset="em"), read(f"{base}/em/s0")):
        np.testing.assert_allclose(volume.voxel_size_nm, voxel)
        np.testing.assert_allclose(volume.origin_nm, origin)
        np.testing.assert_array_equal(volume.data[5:20, 10:50, 33], values[5:20, 10:50, 33])
        np.testing.assert_array_equal(volume.section(39), values[39])


def test_the_size_of_a_level_is_that_of_its_group_times_its_factor(tmp_path, make_n5):
    make_n5(tmp_path / "a.n5" / "em" / "s1", downsamplingFactors=[2, 2, 1])
    group = {"pixelResolution": {"dimensions": [4, 4, 40], "unit": "nm"}}
    (tmp_path / "a.n5" / "em" / "attributes.json").write_text(json.dumps(group))
    assert read(tmp_path / "a.n5" / "em" / "s1").voxel_size_nm == (40, 8, 8)
    with pytest.raises(FileFormatError, match="Name one"):
        read(tmp_path / "a.n5")
    (tmp_path / "a.n5" / "em" / "attributes.json").unlink()
    with pytest.raises(VoxelSizeError, match="s1 does not say"):
        read(tmp_path / "a.n5" / "em" / "s1")


@pytest.mark.parametrize(
    ("url", "kind", "words"),
    [
        ("{server}/nothing.ome.zarr", FileNotFoundError, "no OME-Zarr or N5 at {server}/nothing.ome.zarr"),
        ("{server}/secret/a.ome.zarr", PermissionError, "not open to everybody.*AWS_PROFILE"),
        ("http://127.0.0.1:9/a.ome.zarr", ConnectionError, "cannot be reached.*network"),
        ("{server}/bad.zarr", FileFormatError, "no JSON"),
        ("{server}/unfinished.zarr", FileFormatError, "not whole"),
        ("{server}/outside.zarr", FileFormatError, "lies outside"),
        ("{server}/moved/a.ome.zarr", ConnectionError, "moved/a.ome.zarr is at another address.*browser"),
    ],
)
def test_what_cannot_be_read_is_told_in_words(tmp_path, server, monkeypatch, url, kind, words):
    monkeypatch.setattr(store, "RETRIES", {"max_retries": 1, "initial_delay": "10ms", "max_delay": "10ms"})
    store._context.cache_clear()
    attributes = {
        "bad": None,
        "unfinished": {"napari-emgauss": {"unfinished": True}},
        "outside": {"ome": {"multiscales": [{"axes": [], "datasets": [{"path": "../../secret"}]}]}},
    }
    for name, content in attributes.items():
        (tmp_path / f"{name}.zarr").mkdir()
        text = "{" if content is None else json.dumps({"zarr_format": 3, "node_type": "group", "attributes": content})
        (tmp_path / f"{name}.zarr" / "zarr.json").write_text(text)
    with pytest.raises(kind, match=words.format(server=server)):
        read(url.format(server=server))
    store._context.cache_clear()


def test_a_server_that_goes_away_is_an_error_and_no_zeros(tmp_path, server, values, monkeypatch):
    plain(tmp_path / "a.ome.zarr", values)
    volume = read(f"{server}/a.ome.zarr")
    chunk = tmp_path / "a.ome.zarr" / "0" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(FileFormatError, match=r"a\.ome\.zarr"):
        volume.section(0)


@pytest.mark.parametrize("where", ["server", "folder", "file"])
@pytest.mark.parametrize("name", ["a.n5", "a.ome.zarr"])
def test_what_is_deleted_is_an_error_and_no_zeros(tmp_path, server, values, make_n5, where, name):
    if name == "a.n5":
        make_n5(tmp_path / name, resolution=[4, 5, 40])
    else:
        plain(tmp_path / name, values)
    places = {"server": f"{server}/{name}", "folder": tmp_path / name, "file": f"file://{tmp_path}/{name}"}
    volume = read(places[where])
    np.testing.assert_array_equal(volume.section(0), values[0])
    shutil.rmtree(tmp_path / name)
    with pytest.raises(FileFormatError, match=f"{name}.*no longer there"):
        volume.section(39)


def test_a_server_that_is_silent_is_given_up():
    # In a process of its own: the library asks once in a process how patient it is to be.
    program = (
        "import sys\nfrom napari_emgauss.io import read\nfrom napari_emgauss.io.remote import first_look, store\n"
        "store.SILENCE_S = first_look.SILENCE_S = 1\n"
        "store.RETRIES = {'max_retries': 1, 'initial_delay': '1ms', 'max_delay': '1ms'}\n"
        "try:\n    read(sys.argv[1])\nexcept ConnectionError as error:\n    print(error)\n"
    )
    own = {name: value for name, value in os.environ.items() if not name.startswith("TENSORSTORE")}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.ome.zarr"
        ran = subprocess.run([sys.executable, "-c", program, url], env=own, capture_output=True, text=True, timeout=60)
    assert f"{url} cannot be reached" in ran.stdout, ran.stderr


def test_a_server_that_sends_whole_files_only_is_told_to_do_so(tmp_path, server, values):
    sharded(tmp_path / "unranged.ome.zarr", values)
    with pytest.raises(ConnectionError, match=r"unranged\.ome\.zarr has files that are read in parts"):
        read(f"{server}/unranged.ome.zarr").data[0:8, 0:16, 0:16]


def test_a_window_larger_than_memory_is_refused(tmp_path, server, values, monkeypatch):
    plain(tmp_path / "a.ome.zarr", values)
    volume = read(f"{server}/a.ome.zarr")
    monkeypatch.setattr("napari_emgauss.io.guard.available_bytes", lambda: 1000)
    with pytest.raises(OutOfMemoryError, match=r"127\.0\.0\.1"):
        volume.data[:]


def test_a_bucket_of_s3_is_read_without_credentials_where_there_are_none(tmp_path, server, values, monkeypatch):
    (tmp_path / "bucket").mkdir()
    plain(tmp_path / "bucket" / "a.ome.zarr", values)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    np.testing.assert_array_equal(read("s3://bucket/a.ome.zarr").section(3), values[3])


def test_credentials_in_variables_are_taken_from_there_and_nothing_is_printed(
    tmp_path, server, values, monkeypatch, capfd
):
    (tmp_path / "own").mkdir()
    plain(tmp_path / "own" / "a.ome.zarr", values)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("HOME", str(tmp_path))  # without a folder .aws
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "known")
    np.testing.assert_array_equal(read("s3://own/a.ome.zarr").section(3), values[3])
    assert capfd.readouterr().err == ""


def test_without_the_library_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    with pytest.raises(MissingLibraryError, match=r"napari-emgauss\[remote\]"):
        read("https://example.org/a.ome.zarr")


def test_a_command_takes_a_url(tmp_path, server, values, capsys):
    plain(tmp_path / "a.ome.zarr", values)
    target = tmp_path / "out.ome.zarr"
    assert main(["interpolate", f"{server}/a.ome.zarr", str(target), "--method", "linear"]) == 0
    assert read(target).voxel_size_nm == (4, 4, 4)
    assert main(["interpolate", f"{server}/b.ome.zarr", str(Path(target).with_name("b.ome.tif"))]) == 1
    assert "no OME-Zarr or N5" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["server", "folder", "file"])
@pytest.mark.parametrize("name", ["a.n5", "v3.ome.zarr", "sharded.ome.zarr", "v2.ome.zarr"])
def test_chunks_that_are_not_there_are_told_when_it_is_opened_and_an_error_when_they_go(
    tmp_path, server, values, make_n5, where, name
):
    make = {"v2.ome.zarr": version_4, "v3.ome.zarr": plain, "sharded.ome.zarr": sharded}
    make["a.n5"] = lambda path, _: make_n5(path, resolution=[4, 5, 40])
    make[name](tmp_path / name, values)
    files = sorted(file for file in (tmp_path / name).rglob("*") if file.is_file() and "json" not in file.name)
    chunks = [file for file in files if not file.name.startswith(".")]
    places = {"server": f"{server}/{name}", "folder": tmp_path / name, "file": f"file://{tmp_path}/{name}"}
    assert "not there" not in read(places[where]).describe()
    chunks[0].unlink()
    volume = read(places[where])
    assert f"1 of {len(chunks)} chunks are not there and read as 0" in volume.describe()
    assert not volume.data[0:8, 0:16, 0:16].any()
    chunks[-1].unlink()
    with pytest.raises(FileFormatError, match=f"{name}.*1 chunk is no longer there"):
        volume.data[:]


def test_an_array_of_too_many_chunks_to_ask_for_tells_when_it_is_read(tmp_path, server, make_n5, monkeypatch, caplog):
    monkeypatch.setattr("napari_emgauss.io.remote.chunks.MOST_ASKED", 10)
    make_n5(tmp_path / "a.n5", resolution=[4, 5, 40])
    (tmp_path / "a.n5" / "0" / "1" / "2").unlink()
    volume = read(f"{server}/a.n5")
    assert "not there" not in volume.describe()
    volume.data[30]
    assert caplog.records == []
    for _ in range(2):
        assert not volume.data[16:24, 16:32, 0:32].any()
    assert [record.getMessage() for record in caplog.records] == [f"{server}/a.n5: 1 chunk is not there and read as 0."]


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "TENSORSTORE_CA_BUNDLE"])
def test_a_server_with_a_certificate_is_read_once_its_authority_is_known(
    tmp_path, values, secure_server, authority, asked, variable
):
    plain(tmp_path / "a.ome.zarr", values)
    code = "import sys, napari_emgauss as eg; print(eg.read(sys.argv[1]).section(3).sum(dtype=int))"
    for known in (False, True):
        told = subprocess.run(  # what is in the variables is read once in a process
            [sys.executable, "-c", code, f"{secure_server}/a.ome.zarr"],
            env={**os.environ, **({variable: str(authority)} if known else {})},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (told.returncode == 0) == known, told.stderr
        assert known or "set SSL_CERT_FILE to the file" in told.stderr
    assert int(told.stdout) == values[3].sum(dtype=int)
    assert any(part == "bytes=0-0" for _, part in asked), "its answers are bounded, too"
