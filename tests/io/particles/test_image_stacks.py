import numpy as np
import pytest
from particle_files import write_stack

from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.particles.image_stacks import FileImages, StackFile, resolve_stacks


def test_images_are_read_one_by_one_in_the_order_asked_for(tmp_path):
    images = write_stack(tmp_path / "a.mrcs", n=4)
    opened = FileImages.open([tmp_path / "a.mrcs"], np.zeros(4, np.int64), np.arange(4))
    assert np.array_equal(opened.read([2, 0]), images[[2, 0]])


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<i2", ">i2", "<u2"])
def test_types_and_byte_orders_are_understood(tmp_path, dtype):
    values = np.arange(8 * 8).reshape(1, 8, 8).astype(dtype)
    mode = {"f4": 2, "i2": 1, "u2": 6}[dtype[1:]]
    header = np.zeros(256, dtype[0] + "i4")
    header[:4] = 8, 8, 1, mode
    (tmp_path / "a.mrcs").write_bytes(header.tobytes() + values.tobytes())
    assert np.array_equal(StackFile.open(tmp_path / "a.mrcs").image(0), values[0].astype(np.float32))


def test_a_file_that_was_cut_short_is_refused_before_anything_is_read(tmp_path):
    write_stack(tmp_path / "a.mrcs")
    data = (tmp_path / "a.mrcs").read_bytes()
    (tmp_path / "a.mrcs").write_bytes(data[:-10])
    with pytest.raises(FileFormatError, match="truncated"):
        StackFile.open(tmp_path / "a.mrcs")
    (tmp_path / "a.mrcs").write_bytes(b"no images " * 200)
    with pytest.raises(FileFormatError, match="MRC stack"):
        StackFile.open(tmp_path / "a.mrcs")


def test_pixels_that_are_not_finite_are_told_with_their_image(tmp_path):
    images = write_stack(tmp_path / "a.mrcs")
    images[1, 3, 3] = np.nan
    data = (tmp_path / "a.mrcs").read_bytes()
    (tmp_path / "a.mrcs").write_bytes(data[:1024] + images.tobytes())
    with pytest.raises(FileFormatError, match="image 2 of"):
        StackFile.open(tmp_path / "a.mrcs").image(1)


def test_a_name_that_no_file_can_have_is_refused_in_words(tmp_path):
    with pytest.raises(FileFormatError, match="no file can be called"):
        resolve_stacks(["a\0b.mrcs"], [tmp_path])
