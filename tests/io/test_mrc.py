"""MRC files made by other programs."""

import mrcfile
import numpy as np
import pytest

from napari_emgauss.errors import FileFormatError, VolumeError, VoxelSizeError
from napari_emgauss.io import read
from napari_emgauss.io.source import LazyStack

DATA = np.random.default_rng(0).integers(-100, 100, (5, 18, 20)).astype(np.int16)
SIZE = (40, 4, 5)


def save(path, data, size_nm=SIZE, **header):
    with mrcfile.new(path) as file:
        file.set_data(data)
        if size_nm is not None:
            file.voxel_size = tuple(10 * v for v in reversed(size_nm))
        for name, value in header.items():
            file.header[name] = value
    return path


@pytest.mark.parametrize("suffix", [".mrc", ".rec", ".map"])
@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float32", "float16"])
def test_each_mode_keeps_its_values(tmp_path, dtype, suffix):
    data = np.abs(DATA).astype(dtype) if dtype == "uint16" else DATA.astype(dtype)
    volume = read(save(tmp_path / f"a{suffix}", data))
    np.testing.assert_array_equal(np.asarray(volume.data), data)
    np.testing.assert_allclose(volume.voxel_size_nm, SIZE, rtol=1e-6)


def test_big_endian_files_are_read(tmp_path):
    path = tmp_path / "a.mrc"
    with mrcfile.new(path) as file:
        file.set_data(DATA)
        file.voxel_size = 40.0
    raw = path.read_bytes()
    header = np.frombuffer(raw[:1024], mrcfile.dtypes.HEADER_DTYPE).byteswap().tobytes()
    header = header[:212] + bytes([0x11, 0x11, 0, 0]) + header[216:]
    path.write_bytes(header + DATA.astype(">i2").tobytes())
    volume = read(path)
    assert volume.dtype.isnative
    np.testing.assert_array_equal(np.asarray(volume.data), DATA)


@pytest.mark.parametrize(("flags", "expected"), [(0, np.uint8), (1, np.int16)])
def test_imods_stamp_decides_whether_bytes_are_signed(tmp_path, flags, expected):
    path = save(tmp_path / "a.mrc", DATA.astype(np.int8))
    raw = bytearray(path.read_bytes())
    raw[152:160] = np.array([1146047817, flags], "<i4").tobytes()
    path.write_bytes(raw)
    volume = read(path)
    assert volume.dtype == expected
    stored = DATA.astype(np.int8)
    np.testing.assert_array_equal(np.asarray(volume.data), stored.view(np.uint8) if flags == 0 else stored)


def test_one_angstrom_is_what_nobody_set(tmp_path):
    with pytest.raises(VoxelSizeError, match="nobody has set it"):
        read(save(tmp_path / "a.mrc", DATA, (0.1, 0.1, 0.1)))
    with pytest.raises(VoxelSizeError, match="states none"):
        read(save(tmp_path / "b.mrc", DATA, None))


def test_stacks_stay_on_disk(tmp_path):
    assert isinstance(read(save(tmp_path / "a.mrc", DATA)).data, LazyStack)


def test_a_header_that_declares_more_than_the_file_holds_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="truncated"):
        read(save(tmp_path / "a.mrc", DATA, nz=2_000_000_000))


def test_unusual_files_are_refused(tmp_path):
    with pytest.raises(VolumeError, match="axes in another order"):
        read(save(tmp_path / "a.mrc", DATA, mapc=3, maps=1))
    with pytest.raises(VolumeError, match="complex"):
        read(save(tmp_path / "b.mrc", DATA.astype(np.complex64)))
    with pytest.raises(VolumeError, match="at least 2 sections"):
        read(save(tmp_path / "c.mrc", DATA[:1]))


def test_a_false_claim_of_8_bits_is_noticed(tmp_path):
    from napari_emgauss.io import write
    from napari_emgauss.volume import Volume

    path = write(Volume(np.zeros((3, 16, 16), np.uint8), SIZE), tmp_path / "a.mrc")
    path.write_bytes(path.read_bytes()[:-2] + b"\xff\xff")
    with pytest.raises(FileFormatError, match="8-bit"):
        read(path).section(2)
