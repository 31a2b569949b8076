"""Of a large compressed or tiled TIFF, only the strips and tiles that a part touches are decoded."""

import numpy as np
import pytest
import tifffile

from napari_emgauss.errors import FileFormatError
from napari_emgauss.io import read
from napari_emgauss.io.tiff_segments import SegmentedPages

DATA = np.random.default_rng(0).integers(0, 2**16, (5, 70, 90), dtype=np.uint16)
SIZE = (40, 4, 4)
LAYOUTS = {
    "strips": {"compression": "zlib", "rowsperstrip": 16},
    "tiles": {"compression": "zlib", "tile": (32, 48)},
    "tiles, uncompressed": {"tile": (32, 48)},
    "predictor": {"compression": "zlib", "rowsperstrip": 7, "predictor": True},
    "other byte order": {"compression": "zlib", "rowsperstrip": 16, "byteorder": ">"},
}


@pytest.fixture(autouse=True)
def on_demand(monkeypatch):
    monkeypatch.setattr("napari_emgauss.io.tiff.DECODED_AT_ONCE_BYTES", 0)


@pytest.fixture(params=LAYOUTS.values(), ids=LAYOUTS.keys())
def path(tmp_path, request):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, DATA, photometric="minisblack", **request.param)
    return path


def test_parts_are_those_of_the_whole(path):
    data = read(path, voxel_size_nm=SIZE).data
    assert not isinstance(data, np.ndarray)
    for key in (
        2,
        slice(None),
        (3, slice(5, 66, 7), slice(80, 3, -5)),
        (slice(1, 3), -1),
        (4, slice(9, 9)),
        slice(3, 3),
    ):
        np.testing.assert_array_equal(data[key], DATA[key])


def test_a_part_decodes_what_it_touches(path, monkeypatch):
    decoded = []
    segment = SegmentedPages._segment
    volume = read(path, voxel_size_nm=SIZE)
    monkeypatch.setattr(
        SegmentedPages,
        "_segment",
        lambda self, file, page, index: decoded.append((page, index)) or segment(self, file, page, index),
    )
    volume.section(3, (33, 40, 50, 80))
    n_of_a_page = len(volume.data._fetch.__self__.places[0])
    assert {page for page, _ in decoded} == {3}
    assert len(decoded) < n_of_a_page / 2


def test_pages_written_one_by_one_are_read_in_parts_too(tmp_path):
    path = tmp_path / "stack.tif"
    with tifffile.TiffWriter(path) as tif:
        for plane in DATA:
            tif.write(plane, compression="zlib", rowsperstrip=16)
    np.testing.assert_array_equal(read(path, voxel_size_nm=SIZE).section(2, (1, 30, 0, 9)), DATA[2, 1:30, :9])


def test_a_damaged_segment_is_an_error_of_the_part_that_touches_it(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, DATA, compression="zlib", rowsperstrip=16)
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[1].dataoffsets[3]
    content = bytearray(path.read_bytes())
    content[offset : offset + 40] = bytes(40)
    path.write_bytes(content)
    volume = read(path, voxel_size_nm=SIZE)
    np.testing.assert_array_equal(volume.section(1, (0, 48, 0, 90)), DATA[1, :48])
    with pytest.raises(FileFormatError, match="damaged"):
        volume.section(1)


def test_lzw_is_still_decoded_without_further_packages(tmp_path):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "stack.tif"
    assert cv2.imwritemulti(str(path), list(DATA), [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_LZW])
    np.testing.assert_array_equal(read(path, voxel_size_nm=SIZE).section(4, (3, 20, 3, 20)), DATA[4, 3:20, 3:20])
