"""A part of a reconstruction: a crop, resampled, in the type asked for."""

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.errors import ConfigError, DiskSpaceError, OutOfMemoryError, SectionRangeError, VolumeError
from napari_emgauss.io import WriteCancelled
from napari_emgauss.resampling.conversion import Conversion
from napari_emgauss.resampling.export import check_room, expected_seconds, export, file_bytes
from napari_emgauss.resampling.planes import Planes

TINY = {"joint": 3, "bootstrap": 0, "spacing_px": 3.0}


@pytest.fixture(scope="module")
def placed(stack):
    """A reconstruction that lies somewhere else than at the origin."""
    return eg.reconstruct(eg.Volume(stack.data, stack.voxel_size_nm, (500, 1250, -750)), **TINY)


def test_the_whole_is_what_resampling_gives(placed):
    whole = Planes(placed)
    assert (whole.shape, whole.voxel_size_nm, whole.origin_nm) == ((25, 48, 40), (8, 8, 8), (500, 1250, -750))
    assert np.array_equal(whole[:], placed.resample().data)


def test_a_part_lies_where_its_first_pixel_does_and_equals_that_part_of_the_whole(placed):
    part = Planes(placed, region=(7, 30, 11, 35), z_range=(1, 3))
    assert part.shape == (13, 23, 24)
    assert part.origin_nm == (500 + 48, 1250 + 7 * 8, -750 + 11 * 8)
    whole = placed.resample().data.astype(int)
    assert np.abs(part[:] - whole[6:19, 7:30, 11:35]).max() <= 1  # the last digit depends on the box drawn
    assert np.array_equal(part[2:9:3], np.stack([part[k] for k in (2, 5, 8)]))
    assert np.array_equal(part[4, 2:5, 3], part[4][2:5, 3])


@pytest.mark.parametrize("voxel", [(12.0, 16.0, 16.0), (48.0, 4.0, 20.0)])
def test_a_part_on_another_grid_equals_the_cropped_stack_on_it(placed, voxel):
    """The blur before coarser sampling sees beyond the part's edges."""
    region, z_range = (8, 40, 12, 37), (1, 3)
    part = Planes(placed, voxel, region=region, z_range=z_range, dtype="float32")
    assert part.shape == tuple(
        int(np.floor((n - 1) * o / v + 1e-6)) + 1 for n, o, v in zip((3, 32, 25), (48, 8, 8), voxel, strict=True)
    )
    widest = Planes(placed, voxel, region=(0, 48, 12, 37), z_range=z_range, dtype="float32")
    first = round(8 * 8 / voxel[1])
    assert part[1] == pytest.approx(widest[1][first : first + part.shape[1]], abs=0.3)


def test_a_ramp_keeps_its_values_at_its_places():
    y, x = np.meshgrid(np.arange(40.0), np.arange(40.0), indexing="ij")
    ramp = (2 * y + 3 * x).astype(np.float32)
    result = eg.reconstruct(eg.Volume(np.stack([ramp] * 3), (40, 8, 8)), joint=15, bootstrap=0)
    part = Planes(result, (20, 16, 4), region=(10, 30, 6, 26))
    expected = 2 * (10 + 2 * np.arange(10))[:, None] + 3 * (6 + np.arange(39) / 2)
    assert abs((part[2] - expected)[1:-1, 2:-2].mean()) < 0.4  # half a voxel along y would be 2


@pytest.mark.parametrize("region", [(-1, 5, 0, 5), (0, 99, 0, 5), (5, 5, 0, 5), (0.5, 5, 0, 5)])
def test_regions_outside_the_section_are_refused(placed, region):
    with pytest.raises(ConfigError, match="region"):
        Planes(placed, region=region)


@pytest.mark.parametrize("z_range", [(-1, 3), (0, 5), (3, 1), (2, 2)])
def test_sections_outside_the_stack_are_refused(placed, z_range):
    with pytest.raises(SectionRangeError, match=r"0\.\.4"):
        Planes(placed, z_range=z_range)


def test_a_part_too_small_for_a_stack_and_an_unknown_type_are_refused(placed):
    with pytest.raises(VolumeError, match="at least 16"):
        Planes(placed, region=(0, 9, 0, 9)).volume()
    with pytest.raises(VolumeError, match="at least 2 sections"):
        Planes(placed, (1000, 8, 8)).volume()
    with pytest.raises(ConfigError, match="float64"):
        Planes(placed, dtype="float64")


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_types_that_hold_all_values_keep_them(placed, dtype):
    wide = Planes(placed, dtype=dtype)
    assert wide.conversion.keeps
    assert np.array_equal(np.rint(wide[3]).clip(0, 255), placed.resample().data[3])
    assert "keep their values" in wide.conversion.describe()


def test_decimals_are_kept_only_by_float32(placed):
    assert np.any(Planes(placed, dtype="float32")[3] % 1)
    assert "rounded" in Planes(placed, dtype="uint16").conversion.describe()


def test_a_narrower_type_spreads_the_stacks_range_and_says_so(stack):
    data = stack.as_float().astype(np.uint16) * 200 + 1000
    result = eg.reconstruct(eg.Volume(data, stack.voxel_size_nm), **TINY)
    narrow, wide = Planes(result, dtype="uint8"), Planes(result, dtype="float32")
    low, high = result.scaling.low, result.scaling.high
    expected = np.clip(np.rint((wide[5] - low) / (high - low) * 255), 0, 255)
    assert np.abs(narrow[5] - expected).max() <= 1
    assert narrow[5].dtype == np.uint8
    assert f"{low:.6g} to {high:.6g}" in narrow.conversion.describe()
    assert narrow.conversion.limits(low, high) == pytest.approx((0, 255))
    assert narrow.conversion.limits(low, 1e9)[1] == 255
    assert narrow.record()["intensity_gain"] == pytest.approx(255 / (high - low))
    assert Conversion.of(result).keeps


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".mrc"])
def test_one_export_makes_file_and_volume_alike(placed, tmp_path, suffix):
    part = Planes(placed, region=(7, 40, 0, 35), z_range=(1, 3))
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
    assert record["preset"] == placed.record["preset"]


def test_every_plane_is_rendered_once_for_file_and_volume_together(placed, tmp_path, monkeypatch):
    rendered = []
    plane = Planes._draw_plane
    monkeypatch.setattr(Planes, "_draw_plane", lambda self, z, *p: rendered.append(round(6 * z)) or plane(self, z, *p))
    export(Planes(placed), tmp_path / "a.ome.zarr", in_memory=True)
    assert rendered == list(range(25))


@pytest.mark.parametrize("path", ["a.ome.tif", "a.ome.zarr", "a.mrc", None])
def test_cancelling_leaves_nothing(placed, tmp_path, path):
    done = []
    target = None if path is None else tmp_path / path
    with pytest.raises(WriteCancelled):
        export(
            Planes(placed),
            target,
            in_memory=True,
            progress=lambda k, n: done.append(k),
            cancelled=lambda: len(done) >= 3,
        )
    assert done == [1, 2, 3]
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_refused_before_anything_is_rendered(placed, tmp_path, monkeypatch):
    part = Planes(placed)
    monkeypatch.setattr(Planes, "_draw_plane", lambda self, *p: pytest.fail("rendered"))
    monkeypatch.setattr("napari_emgauss.resampling.export.psutil.virtual_memory", lambda: Room(1000))
    with pytest.raises(OutOfMemoryError, match="Explore z"):
        export(part, in_memory=True)
    check_room(part, tmp_path / "a.mrc", in_memory=False)
    monkeypatch.setattr("napari_emgauss.resampling.export.shutil.disk_usage", lambda folder: Room(1000))
    with pytest.raises(DiskSpaceError, match=r"48 kB.*1 kB left"):
        export(part, tmp_path / "a.tif")
    with pytest.raises(DiskSpaceError, match="96 kB"):
        export(part, tmp_path / "a.mrc")
    assert list(tmp_path.iterdir()) == []


def test_memory_that_is_refused_in_the_middle_names_the_remedy(placed, monkeypatch):
    def refuse(*args):
        raise MemoryError

    part = Planes(placed)
    monkeypatch.setattr("napari_emgauss.resampling.export.np.empty", refuse)
    with pytest.raises(OutOfMemoryError, match="Export to a file"):
        export(part, in_memory=True)


def test_a_disk_that_becomes_full_is_said_in_words(placed, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_emgauss.resampling.export.write", full)
    with pytest.raises(DiskSpaceError, match="became full"):
        export(Planes(placed), tmp_path / "a.tif")


def test_sizes_and_times_follow_from_the_part(placed, tmp_path):
    part = Planes(placed)
    assert part.nbytes == 25 * 48 * 40
    for name in ("a.tif", "a.mrc", "a.ome.zarr"):
        export(part, tmp_path / name)
    assert file_bytes(part, tmp_path / "a.tif") == pytest.approx((tmp_path / "a.tif").stat().st_size, rel=0.2)
    assert file_bytes(part, tmp_path / "a.mrc") == pytest.approx((tmp_path / "a.mrc").stat().st_size, rel=0.2)
    assert 0 < part.seconds_per_plane() < 5
    assert expected_seconds(part, 0.1, None) == pytest.approx(2.5)


class Room:
    def __init__(self, n):
        self.available = self.free = n
