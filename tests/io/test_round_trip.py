"""Whatever is written comes back: values, type, voxel size, origin and metadata, in every format."""

from io import StringIO

import mrcfile
import numpy as np
import pytest
import tifffile

from napari_emgauss.io import read, read_voxel_size, write
from napari_emgauss.volume import Volume

SUFFIXES = (".tif", ".ome.tif", ".ome.tiff", ".ome.zarr", ".zarr", ".mrc")
DTYPES = ("uint8", "uint16", "int16", "float32")
VOXEL = (39.7, 4.125, 3.9)
ORIGIN = (-120.5, 3.0, 1e5)


def full_range(dtype, shape=(5, 17, 33), seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        data = rng.normal(scale=1e3, size=shape).astype(dtype)
    else:
        info = np.iinfo(dtype)
        data = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
        data.flat[:2] = info.min, info.max
    return data


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_everything_about_a_volume_survives(tmp_path, suffix, dtype):
    metadata = {"method": "émgauss", "steps": 30, "nested": {"list": [1, 2.5, None, "<&>\u0001"]}}
    volume = Volume(full_range(dtype), VOXEL, ORIGIN, {"sample": "cortex", "method": "older"})
    path = tmp_path / f"stack{suffix}"
    assert write(volume, path, metadata=metadata) == path
    back = read(path)
    assert back.dtype == volume.dtype
    assert back.dtype.isnative
    np.testing.assert_array_equal(np.asarray(back.data), volume.data)
    tolerance = 1e-6 if suffix == ".mrc" else 1e-12  # MRC keeps lengths in single precision
    np.testing.assert_allclose(back.voxel_size_nm, VOXEL, rtol=tolerance)
    np.testing.assert_allclose(back.origin_nm, ORIGIN, rtol=tolerance)
    np.testing.assert_allclose(read_voxel_size(path), VOXEL, rtol=tolerance)
    assert back.metadata.items() >= {**metadata, "sample": "cortex"}.items()
    assert back.metadata["file"] == path.name


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_callers_voxel_size_wins(tmp_path, suffix):
    path = write(Volume(full_range("uint8"), VOXEL), tmp_path / f"stack{suffix}")
    assert read(path, voxel_size_nm=(40, 5, 5)).voxel_size_nm == (40, 5, 5)


@pytest.mark.parametrize("suffix", [".tif", ".zarr", ".mrc"])
def test_big_endian_and_non_contiguous_input_is_written_natively(tmp_path, suffix):
    data = full_range("uint16").astype(">u2")[:, ::-1, ::2]
    back = read(write(Volume(data, VOXEL), tmp_path / f"stack{suffix}"))
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(back.data), data)


@pytest.mark.parametrize("suffix", [".tif", ".zarr", ".mrc"])
def test_a_file_can_be_written_from_one_that_is_still_on_disk(tmp_path, suffix):
    first = read(write(Volume(full_range("uint8", (40, 20, 300)), VOXEL, ORIGIN), tmp_path / f"a{suffix}"))
    second = read(write(first, tmp_path / f"b{suffix}"))
    np.testing.assert_array_equal(np.asarray(second.data), np.asarray(first.data))


@pytest.mark.parametrize("suffix", [".tif", ".zarr", ".mrc"])
def test_indexing_what_was_read_equals_indexing_the_array(tmp_path, suffix):
    data = full_range("uint8", (20, 18, 19))
    back = read(write(Volume(data, VOXEL), tmp_path / f"stack{suffix}"))
    for key in (3, -1, slice(2, 9), slice(None, None, 6), (slice(1, 4), slice(3, 9), 5), (4, ..., slice(2, 3))):
        np.testing.assert_array_equal(np.asarray(back.data[key]), data[key])
    np.testing.assert_array_equal(back.section(7), data[7])
    np.testing.assert_array_equal(back.every(3).data, data[::3])


@pytest.mark.parametrize("dtype", DTYPES)
def test_mrcfile_accepts_what_is_written(tmp_path, dtype):
    volume = Volume(full_range(dtype), VOXEL, ORIGIN)
    path = write(volume, tmp_path / "stack.mrc")
    complaints = StringIO()
    mrcfile.validate(path, print_file=complaints)
    # Only that the type of our extended header is private is remarked upon.
    assert [line[:20] for line in complaints.getvalue().splitlines() if "Checking" not in line] == [
        "Extended header type"
    ]
    with mrcfile.open(path) as file:
        np.testing.assert_array_equal(file.data, volume.data)
        np.testing.assert_allclose(file.voxel_size.tolist(), np.multiply(VOXEL, 10)[::-1], rtol=1e-6)
        np.testing.assert_allclose(file.header.dmean, volume.data.mean(dtype=np.float64), rtol=1e-5, atol=1e-2)
        np.testing.assert_allclose(file.header.rms, volume.data.std(dtype=np.float64), rtol=1e-5)
        assert (file.header.dmin, file.header.dmax) == (volume.data.min(), volume.data.max())


def test_other_programs_find_the_size_in_the_ome_tiff(tmp_path):
    path = write(Volume(full_range("uint8"), (40, 4, 5)), tmp_path / "stack.tif")
    with tifffile.TiffFile(path) as tif:
        assert tif.is_ome
        pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
        assert [pixels[f"PhysicalSize{a}"] for a in "ZYX"] == [40, 4, 5]
        assert [pixels[f"PhysicalSize{a}Unit"] for a in "ZYX"] == ["nm"] * 3
        numerator, denominator = tif.pages.first.tags["XResolution"].value
        assert numerator / denominator == pytest.approx(1e7 / 5)


@pytest.mark.parametrize("suffix", [".tif", ".zarr", ".mrc"])
def test_nan_is_kept_on_disk_and_reported_on_use(tmp_path, suffix):
    data = full_range("float32")
    data[2, 3, 4] = np.nan
    back = read(write(Volume(data, VOXEL), tmp_path / f"stack{suffix}"))
    back.section(1)
    with pytest.raises(ValueError, match="section 2 has 1 NaN"):
        back.section(2)
