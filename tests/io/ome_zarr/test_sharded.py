"""A volume that many processes fill, that are killed, and that fill it again: the same files in the end."""

import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_emgauss.errors import FileFormatError
from napari_emgauss.io import WriteCancelled, read, write
from napari_emgauss.io.ome_zarr import Box, ShardedVolume
from napari_emgauss.volume import Volume

SHAPE = (40, 290, 150)
FILL = """
import os, signal, sys
from pathlib import Path
import numpy as np
from napari_emgauss.io.ome_zarr import ShardedVolume

volume = ShardedVolume.resume(Path(sys.argv[1]))
order, torn = int(sys.argv[2]), int(sys.argv[3])
data = np.random.default_rng(0).integers(0, 255, volume.shape, np.uint8)
write_bytes = Path.write_bytes

def tear(path, packed):
    write_bytes(path, packed[: len(packed) // 2])
    os.kill(os.getpid(), signal.SIGKILL)

for n, box in enumerate(volume.boxes[::order]):
    if n == torn:
        Path.write_bytes = tear
    volume.write(box, data[box.slices])
"""


@pytest.fixture
def data():
    return np.random.default_rng(0).integers(0, 255, SHAPE, np.uint8)


def begin(path, shape=SHAPE, dtype="uint8", **more):
    more = {"voxel_size_nm": (8, 8, 8), "shard": (16, 128, 128), "chunk": (8, 64, 64), **more}
    return ShardedVolume.begin(path, shape=shape, dtype=dtype, **more)


def fill(volume, data):
    for box in volume.missing():
        volume.write(box, data[box.slices])


def whole(path, data, **more):
    volume = begin(path, data.shape, data.dtype, **more)
    fill(volume, data)
    return volume.finish()


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def filling(path, order=1, torn=-1):
    return subprocess.Popen([sys.executable, "-c", FILL, str(path), str(order), str(torn)])


@pytest.mark.parametrize(("dtype", "voxel"), [("uint8", (8, 8, 8)), ("float32", (40, 4, 4))])
def test_box_by_box_gives_the_numbers_of_plane_by_plane_at_every_level(tmp_path, dtype, voxel):
    data = np.random.default_rng(1).normal(100, 30, SHAPE).astype(dtype)
    origin, metadata = (1.0, -2.0, 3.0), {"sample": "cortex"}
    boxes = whole(tmp_path / "a.ome.zarr", data, voxel_size_nm=voxel, origin_nm=origin, metadata=metadata)
    planes = write(Volume(data, voxel, origin), tmp_path / "b.ome.zarr", metadata=metadata)
    one, other = (zarr.open_group(path, mode="r") for path in (boxes, planes))
    assert set(one) == set(other) > {"0", "1"}
    for level in one:
        np.testing.assert_array_equal(one[level][:], other[level][:])
    ours, theirs = (group.attrs["ome"]["multiscales"][0] for group in (one, other))
    assert ours["datasets"] == theirs["datasets"]
    volume = read(boxes)
    assert volume.voxel_size_nm == voxel
    assert volume.origin_nm == origin
    assert volume.metadata["sample"] == "cortex"
    np.testing.assert_array_equal(volume.data[3:20, 100:140, 7], data[3:20, 100:140, 7])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_two_processes_one_killed_while_it_writes_leave_what_one_would_have_written(tmp_path, data):
    (tmp_path / "alone").mkdir()
    undisturbed = files(whole(tmp_path / "alone" / "a.ome.zarr", data))
    volume = begin(tmp_path / "a.ome.zarr")
    both = [filling(volume.path, order=-1, torn=5), filling(volume.path, torn=4)]
    assert [process.wait(60) for process in both] == [-signal.SIGKILL] * 2
    missing = volume.missing()
    assert 9 <= len(volume.boxes) - len(missing) < len(volume.boxes)
    for box in set(volume.boxes) - set(missing):
        np.testing.assert_array_equal(volume.read(box), data[box.slices])
    assert any(name.endswith(".part") for name in files(volume.working))
    both = [filling(volume.path), filling(volume.path, order=-1)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert volume.missing() == []
    assert files(volume.finish()) == undisturbed
    assert list(tmp_path.glob("*.part")) == []


def test_a_volume_that_is_not_whole_is_refused_by_any_name(tmp_path, data):
    volume = begin(tmp_path / "a.ome.zarr")
    volume.write(volume.boxes[0], data[volume.boxes[0].slices])
    assert not volume.path.exists()
    for name in (volume.working, volume.working.rename(tmp_path / "b.ome.zarr")):
        if name.exists():
            with pytest.raises(FileFormatError, match="not whole"):
                read(name)


def test_a_finish_that_was_interrupted_goes_on(tmp_path, data):
    volume = begin(tmp_path / "a.ome.zarr")
    with pytest.raises(ValueError, match="18 of 18 boxes are missing"):
        volume.finish()
    fill(volume, data)
    with pytest.raises(WriteCancelled):
        volume.finish(cancelled=lambda: True)
    assert not volume.path.exists()
    coarser = volume.missing(level=1)
    assert len(coarser) == len(volume.grid(1).boxes()) - 1
    seen = []
    with ThreadPoolExecutor(2) as pool:
        volume.finish(each=pool.map, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (seen[-1][1],) * 2
    np.testing.assert_array_equal(read(volume.path).data[:], data)


def test_what_is_begun_again_goes_on_if_it_is_the_same(tmp_path, data):
    volume = begin(tmp_path / "a.ome.zarr", fingerprint="model 1")
    volume.write(volume.boxes[2], data[volume.boxes[2].slices])
    again = begin(tmp_path / "a.ome.zarr", fingerprint="model 1", metadata={"date": "later"})
    assert again.is_written(volume.boxes[2])
    assert len(again.missing()) == len(volume.boxes) - 1
    for other in ({"fingerprint": "model 2"}, {"voxel_size_nm": (4, 4, 4)}, {"shard": (32, 128, 128)}):
        with pytest.raises(FileExistsError, match="something else"):
            begin(tmp_path / "a.ome.zarr", **{"fingerprint": "model 1", **other})
    again.discard()
    with pytest.raises(FileNotFoundError, match="not begun"):
        ShardedVolume.resume(volume.path)
    with pytest.raises(FileNotFoundError, match="deleted"):
        volume.write(volume.boxes[2], data[volume.boxes[2].slices])


def test_a_straggler_leaves_a_finished_volume_as_it_is(tmp_path, data):
    volume = pickle.loads(pickle.dumps(begin(tmp_path / "a.ome.zarr")))
    fill(volume, data)
    before = files(volume.finish())
    volume.write(volume.boxes[0], data[volume.boxes[0].slices])
    assert volume.finish() == volume.path
    assert files(volume.path) == before
    assert not volume.working.exists()


def test_an_existing_volume_is_replaced_only_on_request_and_at_the_end(tmp_path, data):
    path = whole(tmp_path / "a.ome.zarr", data)
    with pytest.raises(FileExistsError, match="already exists"):
        begin(path)
    volume = begin(path, overwrite=True)
    fill(volume, data[::-1].copy())
    np.testing.assert_array_equal(read(path).data[0], data[0])
    volume.finish(overwrite=True)
    np.testing.assert_array_equal(read(path).data[0], data[-1])
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.zarr"]


def test_zeros_are_written_too(tmp_path):
    volume = begin(tmp_path / "a.ome.zarr")
    volume.write(Box((0, 0, 0), SHAPE), np.zeros(SHAPE, np.uint8))
    assert volume.missing() == []


@pytest.mark.parametrize(
    ("box", "dtype", "words"),
    [
        (Box((0, 0, 0), (16, 128, 100)), "uint8", "whole shards"),
        (Box((8, 0, 0), (16, 128, 128)), "uint8", "whole shards"),
        (Box((0, 0, 0), (16, 128, 256)), "uint8", "whole shards"),
        (Box((0, 0, 0), (16, 128, 128)), "uint16", "takes uint8"),
    ],
)
def test_only_whole_shards_of_the_right_type_are_taken(tmp_path, box, dtype, words):
    with pytest.raises(ValueError, match=words):
        begin(tmp_path / "a.ome.zarr").write(box, np.zeros(box.shape, dtype))


def test_room_on_the_disk_is_checked_before_anything_is_written(tmp_path):
    with pytest.raises(OSError, match="the disk has"):
        begin(tmp_path / "a.ome.zarr", (10**6,) * 3)
    assert list(tmp_path.iterdir()) == []


def test_a_shard_consists_of_whole_chunks(tmp_path):
    with pytest.raises(ValueError, match="whole chunks"):
        begin(tmp_path / "a.ome.zarr", shard=(12, 128, 128))


def test_a_folder_with_a_damaged_record_is_not_continued(tmp_path):
    volume = begin(tmp_path / "a.ome.zarr")
    Path(volume.working, "filling.json").write_text("{")
    with pytest.raises(FileFormatError, match="cannot be continued"):
        ShardedVolume.resume(volume.path)


@pytest.mark.skipif(sys.platform == "win32", reason="links are of Unix")
@pytest.mark.parametrize("place", ["0/c/1/0/0", "0/c/1", "zarr.json", "filling.json"])
def test_a_volume_in_work_with_links_in_it_is_refused(tmp_path, data, place):
    volume = begin(tmp_path / "a.ome.zarr")
    fill(volume, data)
    (volume.working / place).rename(tmp_path / "elsewhere")
    (volume.working / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileFormatError, match=f"{place} is a link"):
        begin(tmp_path / "a.ome.zarr")


def test_an_empty_shard_is_drawn_again_and_a_damaged_one_is_an_error_that_says_where(tmp_path, data):
    volume = begin(tmp_path / "a.ome.zarr")
    fill(volume, data)
    shard = volume.working / "0" / "c" / "1" / "0" / "0"
    whole = shard.read_bytes()
    shard.write_bytes(b"")
    assert volume.missing() == [volume.grid().box((1, 0, 0))]
    assert not volume.is_written(volume.grid().box((1, 0, 0)))
    shard.write_bytes(whole[:-10])
    with pytest.raises(FileFormatError, match=r"a\.ome\.zarr\.part/0 cannot be read .*Delete the shards that are"):
        volume.finish()
    shard.unlink()
    fill(volume, data)
    assert np.array_equal(read(volume.finish()).data, data)
