"""Writing finishes or leaves nothing behind, and asks for each plane exactly once."""

import os
import re
import sys

import numpy as np
import pytest

from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io import WriteCancelled, read, write
from napari_emgauss.volume import Volume

SUFFIXES = (".tif", ".ome.zarr", ".mrc")
SHAPE = (21, 18, 20)


class Computed:
    """Planes computed on demand that count how often they are asked for and may fail."""

    shape = SHAPE
    dtype = np.dtype("uint16")

    def __init__(self, *, fails_at=None, error=RuntimeError):
        self.asked = np.zeros(SHAPE[0], int)
        self.fails_at = fails_at
        self.error = error

    def __getitem__(self, key):
        assert isinstance(key, int | slice)
        indices = np.arange(SHAPE[0])[key]
        self.asked[key] += 1
        if self.fails_at is not None and self.fails_at in np.atleast_1d(indices):
            raise self.error("no plane")
        return np.broadcast_to(np.asarray(indices, np.uint16)[..., None, None], (*np.shape(indices), *SHAPE[1:]))


def volume(**kwargs):
    return Volume(Computed(**kwargs), (8, 4, 4))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_plane_is_computed_once_and_progress_counts_them(tmp_path, suffix):
    stack, seen = volume(), []
    path = write(stack, tmp_path / f"a{suffix}", progress=lambda done, total: seen.append((done, total)))
    assert (stack.data.asked == 1).all()
    assert seen == [(k, SHAPE[0]) for k in range(1, SHAPE[0] + 1)]
    np.testing.assert_array_equal(np.asarray(read(path).data)[:, 5, 5], np.arange(SHAPE[0]))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("fails_at", [0, 13])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failure_leaves_nothing_behind(tmp_path, suffix, fails_at, error):
    with pytest.raises(error):
        write(volume(fails_at=fails_at, error=error), tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failure_keeps_the_older_file(tmp_path, suffix):
    path = write(Volume(np.full((2, 16, 16), 7, np.uint8), (8, 4, 4)), tmp_path / f"a{suffix}")
    with pytest.raises(RuntimeError, match="no plane"):
        write(volume(fails_at=5), path, overwrite=True)
    assert list(tmp_path.iterdir()) == [path]
    assert (np.asarray(read(path).data) == 7).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_cancelling_stops_within_a_plane_and_cleans_up(tmp_path, suffix):
    stack, done = volume(), []
    with pytest.raises(WriteCancelled, match="after 4 of 21"):
        write(stack, tmp_path / f"a{suffix}", progress=lambda k, _: done.append(k), cancelled=lambda: len(done) >= 4)
    assert stack.data.asked.sum() == 4
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_final_name_appears_only_at_the_end(tmp_path, suffix):
    path, early = tmp_path / f"a{suffix}", []
    write(volume(), path, progress=lambda *_: early.append(path.exists()))
    assert not any(early)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_existing_target_is_replaced_only_on_request(tmp_path, suffix):
    path = write(Volume(np.zeros((40, 300, 16), np.uint8), (8, 4, 4)), tmp_path / f"a{suffix}")
    stack = volume()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write(stack, path)
    assert not stack.data.asked.any()
    write(stack, path, overwrite=True)
    assert read(path).shape == SHAPE
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_of_the_users_is_never_deleted(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.mkdir()
    (path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="no zarr store"):
        write(volume(), path, overwrite=True)
    assert (path / "thesis.txt").read_text() == "years of work"


def test_a_zarr_store_replaces_a_file_of_the_same_name(tmp_path):
    path = tmp_path / "a.zarr"
    path.write_bytes(b"something else")
    write(volume(), path, overwrite=True)
    assert read(path).shape == SHAPE


def test_bad_requests_are_refused_before_any_plane_is_computed(tmp_path):
    stack = volume()
    for path, error, words in (
        (tmp_path / "a.png", FileFormatError, ".tif, .tiff, .zarr, .mrc"),
        (tmp_path / "missing" / "a.tif", FileNotFoundError, "Create it first"),
    ):
        with pytest.raises(error, match=re.escape(words)):
            write(stack, path)
    for metadata in ({"a": object()}, {"a": float("nan")}, {"a": np.float32(1)}):
        with pytest.raises(VolumeError, match="plain JSON"):
            write(stack, tmp_path / "a.tif", metadata=metadata)
    assert not stack.data.asked.any()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_noticed_before_writing(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    stack = volume()
    with pytest.raises(OSError, match=r"the disk has 1 kB left"):
        write(stack, tmp_path / f"a{suffix}")
    assert not stack.data.asked.any()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_planes_of_another_shape_than_declared_are_an_error(tmp_path, suffix):
    class Lying(Computed):
        def __getitem__(self, key):
            return super().__getitem__(key)[..., 1:]

    with pytest.raises(VolumeError, match="the volume declares"):
        write(Volume(Lying(), (8, 4, 4)), tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_lengths_that_mrc_cannot_hold_are_an_error(tmp_path):
    with pytest.raises(VolumeError, match="MRC cannot hold"):
        write(Volume(np.zeros((2, 16, 16), np.uint8), (8, 4, 4), (1e38, 0, 0)), tmp_path / "a.mrc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot exchange two names")
def test_a_zarr_that_is_replaced_is_there_at_every_moment(tmp_path, monkeypatch):
    target = write(volume(), tmp_path / "a.ome.zarr")
    replace = os.replace

    def watched(source, into):
        assert source != target, "moved away for a moment"
        replace(source, into)

    monkeypatch.setattr("os.replace", watched)
    write(Volume(np.ones(SHAPE, np.uint16), (8, 4, 4)), target, overwrite=True)
    assert read(target).section(3).all()
    assert [path.name for path in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_a_zarr_is_replaced_in_two_steps_where_one_is_not_possible(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_emgauss.io.atomic._exchange", lambda *_: False)
    target = write(volume(), tmp_path / "a.ome.zarr")
    write(Volume(np.ones(SHAPE, np.uint16), (8, 4, 4)), target, overwrite=True)
    assert read(target).section(3).all()
    assert [path.name for path in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_what_dead_processes_left_of_a_file_is_removed_with_its_next_writing(tmp_path):
    old, new, foreign = ".a.tif.0123456789ab.part", ".a.tif.ba9876543210.part", ".a.tif.backup.part"
    folder = tmp_path / ".a.tif.00112233aabb.old"
    folder.mkdir()
    (folder / "chunk").write_bytes(b"half")
    for name in (old, new, foreign, ".b.tif.0123456789ab.part"):
        (tmp_path / name).write_bytes(b"half")
    for path in (tmp_path / old, folder / "chunk", folder, tmp_path / foreign):
        os.utime(path, (0, 0))
    write(volume(), tmp_path / "a.tif")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [new, foreign, ".b.tif.0123456789ab.part", "a.tif"]
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("name", ["a.tif", "a.mrc"])
def test_files_can_be_read_by_whom_the_umask_allows(tmp_path, name):
    before = os.umask(0o022)
    try:
        assert write(volume(), tmp_path / name).stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)
