"""TIFFs made by other programs: where each keeps its voxel size, and what is refused."""

import numpy as np
import pytest
import tifffile

from napari_emgauss.errors import FileFormatError, OutOfMemoryError, VolumeError, VoxelSizeError
from napari_emgauss.io import read, read_voxel_size
from napari_emgauss.io.source import LazyStack
from napari_emgauss.io.tiff import write_tiff_image

RNG = np.random.default_rng(0)
DATA = RNG.integers(0, 255, (6, 20, 24), dtype=np.uint8)
SIZE = (40, 4, 5)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stack.tif"


@pytest.mark.parametrize(
    ("unit", "nm"), [("nm", 1), ("um", 1e3), ("micron", 1e3), ("\\u00B5m", 1e3), ("angstrom", 0.1), ("mm", 1e6)]
)
@pytest.mark.parametrize("axes", [{}, {"axes": "ZYX"}])
def test_imagej_spacing_in_any_unit(path, unit, nm, axes):
    tifffile.imwrite(
        path, DATA, imagej=True, resolution=(nm / 5, nm / 4), metadata={"spacing": 40 / nm, "unit": unit, **axes}
    )
    volume = read(path)
    np.testing.assert_allclose(volume.voxel_size_nm, SIZE, rtol=1e-6)
    np.testing.assert_array_equal(volume.data, DATA)


@pytest.mark.parametrize(("unit", "nm"), [("nm", 1), ("µm", 1e3), ("Å", 0.1), ("mm", 1e6), (None, 1e3)])
def test_ome_sizes_in_any_unit_and_micrometres_by_default(path, unit, nm):
    metadata = {"axes": "ZYX"}
    for axis, size in zip("ZYX", SIZE, strict=True):
        metadata[f"PhysicalSize{axis}"] = size / nm
        if unit is not None:
            metadata[f"PhysicalSize{axis}Unit"] = unit
    tifffile.imwrite(path, DATA, ome=True, metadata=metadata)
    np.testing.assert_allclose(read(path).voxel_size_nm, SIZE, rtol=1e-9)


def test_a_size_given_with_the_array_by_tifffile_is_found(path):
    tifffile.imwrite(path, DATA, resolution=(1 / 5, 1 / 4), metadata={"axes": "ZYX", "spacing": 40, "unit": "nm"})
    np.testing.assert_allclose(read(path).voxel_size_nm, SIZE)


def test_the_default_resolution_means_unknown(path):
    tifffile.imwrite(path, DATA)
    assert read_voxel_size(path) == (None, None, None)
    with pytest.raises(VoxelSizeError, match=r"states none.*plain TIFF.*--voxel-size-nm 40 4 4"):
        read(path)
    assert read(path, voxel_size_nm=SIZE).voxel_size_nm == SIZE


@pytest.mark.parametrize(("resolution", "unit"), [((72, 72), "INCH"), ((300, 300), "INCH"), ((1, 1), "CENTIMETER")])
def test_a_printers_resolution_means_unknown(path, resolution, unit):
    tifffile.imwrite(path, DATA, resolution=resolution, resolutionunit=unit)
    assert read_voxel_size(path) == (None, None, None)


def test_a_believable_pixel_size_is_reported_though_z_is_missing(path):
    tifffile.imwrite(path, DATA, resolution=(1e7 / 5, 1e7 / 4), resolutionunit="CENTIMETER")
    with pytest.raises(VoxelSizeError, match="found y = 4 nm, x = 5 nm; z missing"):
        read(path)


@pytest.mark.parametrize("shape", [(1, 6, 1, 20, 24), (6, 20, 24, 1)])
def test_axes_of_length_one_are_dropped(path, shape):
    axes = "TZCYX" if len(shape) == 5 else "ZYXS"
    tifffile.imwrite(path, DATA.reshape(shape), metadata={"axes": axes}, photometric="minisblack")
    np.testing.assert_array_equal(read(path, voxel_size_nm=SIZE).data, DATA)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", ">u2", "<i2", ">f4", ">f8", "float16", "int8"])
def test_types_and_byte_orders(path, dtype, compression):
    data = (DATA.astype(np.int16) - 100).astype(dtype)
    tifffile.imwrite(path, data, compression=compression, byteorder=data.dtype.byteorder if ">" in dtype else None)
    volume = read(path, voxel_size_nm=SIZE)
    assert volume.dtype.isnative
    np.testing.assert_array_equal(np.asarray(volume.data), data)
    np.testing.assert_array_equal(volume.section(2), data[2])


@pytest.mark.parametrize("dtype", ["bool", "uint32", "int32", "complex64", "uint64"])
def test_other_types_name_the_remedy(path, dtype):
    tifffile.imwrite(path, DATA.astype(dtype), photometric="minisblack")
    with pytest.raises(VolumeError, match="Convert it"):
        read(path, voxel_size_nm=SIZE)


def test_pages_written_one_by_one_are_a_stack(path):
    with tifffile.TiffWriter(path) as tif:
        for plane in DATA:
            tif.write(plane)
    np.testing.assert_array_equal(read(path, voxel_size_nm=SIZE).data, DATA)


def test_uncompressed_stacks_stay_on_disk(path):
    tifffile.imwrite(path, DATA)
    assert isinstance(read(path, voxel_size_nm=SIZE).data, LazyStack)


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (np.zeros((6, 20, 24, 3), np.uint8), {"photometric": "rgb"}, "RGB"),
        (np.zeros((20, 24, 3), np.uint8), {"photometric": "rgb"}, "RGB"),
        (np.zeros((20, 24), np.uint8), {}, "three axes"),
        (np.zeros((1, 20, 24), np.uint8), {}, "three axes"),
        (np.zeros((6, 15, 24), np.uint8), {}, "at least 16"),
        (np.zeros((2, 6, 20, 24), np.uint8), {"metadata": {"axes": "CZYX"}}, "Pick one channel"),
        (np.zeros((6, 20, 24), np.uint8), {"metadata": {"axes": "TYX"}}, "saved as time"),
    ],
)
def test_what_is_no_grey_stack_is_refused(path, data, options, words):
    tifffile.imwrite(path, data, **options)
    with pytest.raises(VolumeError, match=words):
        read(path, voxel_size_nm=SIZE)


def test_pages_of_different_sizes_are_refused(path):
    with tifffile.TiffWriter(path) as tif:
        tif.write(DATA[0])
        tif.write(DATA[0, :18])
    with pytest.raises(VolumeError, match="images that differ"):
        read(path, voxel_size_nm=SIZE)


def test_a_file_set_is_not_followed(path, tmp_path):
    tifffile.imwrite(path, DATA, ome=True, metadata={"axes": "ZYX"})
    (tmp_path / "other.tif").write_bytes(path.read_bytes())
    xml = tifffile.tiffcomment(path)
    foreign = "urn:uuid:00000000-0000-0000-0000-000000000000"
    tiffdata = f'<TiffData FirstZ="3"><UUID FileName="other.tif">{foreign}</UUID></TiffData>'
    tifffile.tiffcomment(path, xml.replace("</Pixels>", f"{tiffdata}</Pixels>"))
    with pytest.raises(FileFormatError, match="multi-file OME-TIFF"):
        read(path, voxel_size_nm=SIZE)


def test_a_renamed_ome_tiff_is_read(path, tmp_path):
    tifffile.imwrite(path, DATA, ome=True, metadata={"axes": "ZYX"})
    renamed = path.rename(tmp_path / "renamed.tif")
    np.testing.assert_array_equal(read(renamed, voxel_size_nm=SIZE).data, DATA)


def test_xml_entities_are_refused(path):
    bomb = '<?xml version="1.0"?><!DOCTYPE O [<!ENTITY a "aaaa">]><OME><Description>&a;</Description></OME>'
    tifffile.imwrite(path, DATA, description=bomb, metadata=None)
    with pytest.raises(FileFormatError, match="entities"):
        read(path, voxel_size_nm=SIZE)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"imagej": True}, {"ome": True}, {"metadata": None}])
def test_a_truncated_stack_is_never_padded(path, options):
    tifffile.imwrite(path, DATA, **options)
    whole = path.read_bytes()
    for kept in np.linspace(1, len(whole) - 1, 25, dtype=int):
        path.write_bytes(whole[:kept])
        try:
            volume = read(path, voxel_size_nm=SIZE)
        except (FileFormatError, VolumeError):
            continue
        np.testing.assert_array_equal(np.asarray(volume.data), DATA)  # only trailing metadata was lost


def test_a_stack_too_large_for_memory_is_refused_before_it_is_read(path, monkeypatch):
    tifffile.imwrite(path, DATA, compression="zlib")
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 1000}))
    with pytest.raises(OutOfMemoryError, match=r"needs 2\.88 kB of memory, 1 kB are available"):
        read(path, voxel_size_nm=SIZE)


def test_lzw_is_decoded_without_further_packages(path):
    cv2 = pytest.importorskip("cv2")
    assert cv2.imwritemulti(str(path), list(DATA), [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_LZW])
    np.testing.assert_array_equal(read(path, voxel_size_nm=SIZE).data, DATA)


def test_an_image_is_written_with_its_pixel_size(path):
    path.touch()
    write_tiff_image(DATA[0], path, pixel_nm=(4, 5))
    np.testing.assert_array_equal(tifffile.imread(path), DATA[0])
    assert read_voxel_size(path) == (None, pytest.approx(4), pytest.approx(5))
