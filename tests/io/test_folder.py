"""A folder of 2D images."""

import cv2
import numpy as np
import pytest
import tifffile

from napari_emgauss.errors import FileFormatError, VolumeError, VoxelSizeError
from napari_emgauss.io import read

DATA = np.random.default_rng(0).integers(0, 255, (12, 18, 20), dtype=np.uint8)
SIZE = (40, 4, 4)


def save(folder, suffix, data=DATA):
    for index, image in enumerate(data):
        file = folder / f"section_{index}{suffix}"
        if suffix == ".tif":
            tifffile.imwrite(file, image)
        else:
            assert cv2.imwrite(str(file), image)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_sections_come_in_natural_order(tmp_path, suffix, dtype):
    data = DATA.astype(dtype) * (256 if dtype == "uint16" else 1)
    save(tmp_path, suffix, data)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._section_0.tif").write_bytes(b"what macOS leaves behind")
    np.testing.assert_array_equal(read(tmp_path, voxel_size_nm=SIZE).data, data)


def test_jpeg_sections_are_read(tmp_path):
    smooth = np.add.outer(np.arange(3) * 20, np.add.outer(np.arange(32), np.arange(32))).astype(np.uint8)
    save(tmp_path, ".jpg", smooth)
    volume = read(tmp_path, voxel_size_nm=SIZE)
    np.testing.assert_allclose(volume.as_float(), smooth, atol=4)


def test_lzw_sections_are_decoded_without_further_packages(tmp_path):
    for index, image in enumerate(DATA):
        cv2.imwrite(str(tmp_path / f"{index}.tiff"), image)  # OpenCV compresses with LZW by default
    np.testing.assert_array_equal(read(tmp_path, voxel_size_nm=SIZE).data, DATA)


def test_the_distance_between_sections_must_be_given(tmp_path):
    for index, image in enumerate(DATA):
        tifffile.imwrite(tmp_path / f"{index}.tif", image, resolution=(1e7 / 4, 1e7 / 5), resolutionunit="CENTIMETER")
    with pytest.raises(VoxelSizeError, match="found y = 5 nm, x = 4 nm; z missing"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (np.zeros((18, 21), np.uint8), "one size and type"),
        (np.zeros((18, 20), np.uint16), "one size and type"),
        (np.zeros((18, 20, 3), np.uint8), "RGB"),
        (np.zeros((5, 18, 20), np.uint8), "pass the file itself"),
    ],
)
def test_one_odd_image_is_named(tmp_path, odd, words):
    save(tmp_path, ".tif")
    tifffile.imwrite(tmp_path / "section_7.tif", odd, photometric="rgb" if odd.shape[-1] == 3 else "minisblack")
    with pytest.raises(VolumeError, match=rf"section_7.*{words}"):
        read(tmp_path, voxel_size_nm=SIZE)


def test_colour_png_is_refused(tmp_path):
    save(tmp_path, ".png", np.zeros((3, 18, 20, 3), np.uint8))
    with pytest.raises(VolumeError, match="RGB"):
        read(tmp_path, voxel_size_nm=SIZE)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
def test_a_truncated_image_is_named(tmp_path, suffix):
    save(tmp_path, suffix)
    file = tmp_path / f"section_3{suffix}"
    file.write_bytes(file.read_bytes()[:-60])
    with pytest.raises(FileFormatError, match=r"section_3.*damaged"):
        read(tmp_path, voxel_size_nm=SIZE)


def test_an_empty_folder_says_what_it_should_hold(tmp_path):
    with pytest.raises(FileFormatError, match="holds no images"):
        read(tmp_path, voxel_size_nm=SIZE)


def test_images_of_a_large_folder_are_decoded_when_they_are_used(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_emgauss.io.folder.DECODED_AT_ONCE_BYTES", 0)
    save(tmp_path, ".png")
    (tmp_path / "section_7.png").write_bytes(b"no image")
    volume = read(tmp_path, voxel_size_nm=SIZE)
    np.testing.assert_array_equal(volume.section(2, (3, 9, 1, 20)), DATA[2, 3:9, 1:20])
    with pytest.raises(FileFormatError, match="section_7"):
        volume.section(7)
