"""Export of planes to memory, to a file, or to both."""

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.errors import DiskSpaceError, OutOfMemoryError
from napari_emgauss.io import WriteCancelled
from napari_emgauss.resampling.export import check_room, expected_seconds, export, file_bytes
from napari_emgauss.resampling.planes import Planes


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".mrc"])
def test_one_export_makes_file_and_volume_alike(small, tmp_path, suffix):
    part = Planes(small, region=(7, 40, 0, 35), z_range=(1, 3))
    seen = []
    exported = export(part, tmp_path / f"a{suffix}", in_memory=True, progress=lambda done, n: seen.append((done, n)))
    again = eg.read(tmp_path / f"a{suffix}")
    assert np.array_equal(np.asarray(again.data[:]), exported.volume.data)
    assert np.array_equal(exported.volume.data, part[:])
    assert again.origin_nm == pytest.approx(part.origin_nm)
    assert seen == [(k, len(part)) for k in range(1, len(part) + 1)]
    record = again.metadata["napari-emgauss"]
    assert record == exported.volume.metadata["napari-emgauss"]
    assert record["export"]["region_px"] == [7, 40, 0, 35]
    assert record["export"]["program"] == f"napari-emgauss {eg.__version__}"
    assert record["export"]["date"]
    assert record["made"] == small.record["made"]


def test_every_plane_is_rendered_once_for_file_and_volume_together(small, tmp_path):
    export(Planes(small), tmp_path / "a.ome.zarr", in_memory=True)
    assert [6 * z for z, _ in small.drawn] == pytest.approx(range(25))


@pytest.mark.parametrize("path", ["a.ome.tif", "a.ome.zarr", "a.mrc", None])
def test_cancelling_leaves_nothing(small, tmp_path, path):
    done = []
    target = None if path is None else tmp_path / path
    with pytest.raises(WriteCancelled):
        export(
            Planes(small),
            target,
            in_memory=True,
            progress=lambda k, n: done.append(k),
            cancelled=lambda: len(done) >= 3,
        )
    assert done == [1, 2, 3]
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_refused_before_anything_is_rendered(small, tmp_path, monkeypatch):
    part = Planes(small)
    monkeypatch.setattr("psutil.virtual_memory", lambda: Room(1000))
    with pytest.raises(OutOfMemoryError, match="Explore z"):
        export(part, in_memory=True)
    check_room(part, tmp_path / "a.mrc", in_memory=False)
    monkeypatch.setattr("napari_emgauss.resampling.export.shutil.disk_usage", lambda folder: Room(1000))
    with pytest.raises(DiskSpaceError, match=r"48 kB.*1 kB left"):
        export(part, tmp_path / "a.tif")
    with pytest.raises(DiskSpaceError, match="96 kB"):
        export(part, tmp_path / "a.mrc")
    assert list(tmp_path.iterdir()) == []
    assert small.drawn == []


def test_memory_that_is_refused_in_the_middle_names_the_remedy(small, monkeypatch):
    def refuse(*args):
        raise MemoryError

    part = Planes(small)
    monkeypatch.setattr("napari_emgauss.resampling.export.np.empty", refuse)
    with pytest.raises(OutOfMemoryError, match="Export to a file"):
        export(part, in_memory=True)


def test_a_disk_that_becomes_full_is_said_in_words(small, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_emgauss.resampling.export.write", full)
    with pytest.raises(DiskSpaceError, match="became full"):
        export(Planes(small), tmp_path / "a.tif")


def test_sizes_and_times_follow_from_the_part(small, tmp_path):
    part = Planes(small)
    assert part.nbytes == 25 * 48 * 40
    for name in ("a.tif", "a.mrc", "a.ome.zarr"):
        export(part, tmp_path / name)
    assert file_bytes(part, tmp_path / "a.tif") == pytest.approx((tmp_path / "a.tif").stat().st_size, rel=0.2)
    assert file_bytes(part, tmp_path / "a.mrc") == pytest.approx((tmp_path / "a.mrc").stat().st_size, rel=0.2)
    assert part.seconds_per_plane() > 0
    assert expected_seconds(part, 0.1, None) == pytest.approx(2.5)


class Room:
    def __init__(self, n):
        self.available = self.free = n
