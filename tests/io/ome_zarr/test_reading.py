"""OME-Zarr made by other programs, 0.4 and 0.5, and stores that must not be trusted."""

import json

import numpy as np
import pytest
import zarr

from napari_emgauss.errors import FileFormatError, VolumeError, VoxelSizeError
from napari_emgauss.io import read

DATA = np.random.default_rng(0).integers(0, 255, (7, 18, 20), dtype=np.uint8)


def save(
    path, data=DATA, *, version="0.4", axes="zyx", unit="micrometer", scale=(0.04, 0.004, 0.005), place="0", **more
):
    zarr_format = 2 if version == "0.4" else 3
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    chunks = tuple(min(n, 8) for n in data.shape)
    if zarr_format == 2:
        more.setdefault("chunk_key_encoding", {"name": "v2", "separator": "/"})
    group.create_array("0", data=data, chunks=chunks, **more)
    kinds = {"t": "time", "c": "channel"}
    described = [
        {"name": a, "type": kinds.get(a, "space")} | ({"unit": unit} if a in "zyx" and unit else {}) for a in axes
    ]
    lead = [1.0] * (len(axes) - 3)
    image = {
        "version": "0.4",
        "axes": described,
        "datasets": [
            {
                "path": place,
                "coordinateTransformations": [
                    {"type": "scale", "scale": [*lead, *scale]},
                    {"type": "translation", "translation": [0.0 for _ in lead] + [0.08, 0.0, -0.01]},
                ],
            }
        ],
    }
    group.attrs.update(
        {"multiscales": [image]} if version == "0.4" else {"ome": {"version": "0.5", "multiscales": [image]}}
    )
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["zyx", "czyx", "tczyx"])
def test_both_versions_are_read_lazily_with_size_and_origin(tmp_path, version, axes):
    data = DATA.reshape((1,) * (len(axes) - 3) + DATA.shape)
    volume = read(save(tmp_path / "a.ome.zarr", data, version=version, axes=axes))
    assert not isinstance(volume.data, np.ndarray)
    np.testing.assert_allclose(volume.voxel_size_nm, (40, 4, 5))
    np.testing.assert_allclose(volume.origin_nm, (80, 0, -10), atol=1e-9)
    np.testing.assert_array_equal(np.asarray(volume.data), DATA)
    np.testing.assert_array_equal(volume.section(3), DATA[3])
    np.testing.assert_array_equal(volume.every(3).data, DATA[::3])


def test_a_folder_of_another_name_is_recognised(tmp_path):
    assert read(save(tmp_path / "image")).shape == DATA.shape


def test_an_axis_without_unit_leaves_the_size_unknown(tmp_path):
    path = save(tmp_path / "a.zarr", unit=None)
    with pytest.raises(VoxelSizeError, match="--voxel-size-nm"):
        read(path)
    assert read(path, voxel_size_nm=(40, 4, 4)).shape == DATA.shape


def test_a_scale_of_the_whole_image_applies_last(tmp_path):
    path = save(tmp_path / "a.zarr")
    attributes = json.loads((path / ".zattrs").read_text())
    attributes["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [2.0, 3.0, 1.0]}]
    (path / ".zattrs").write_text(json.dumps(attributes))
    volume = read(path)
    np.testing.assert_allclose(volume.voxel_size_nm, (80, 12, 5))
    np.testing.assert_allclose(volume.origin_nm, (160, 0, -10), atol=1e-9)


@pytest.mark.parametrize("place", ["../secret.zarr/0", "/etc", "0/../../secret.zarr/0", "file:///etc", "..\\secret"])
def test_a_path_out_of_the_store_is_not_opened(tmp_path, place):
    save(tmp_path / "secret.zarr")
    with pytest.raises(FileFormatError, match="outside"):
        read(save(tmp_path / "a.zarr", place=place))


def test_a_link_out_of_the_store_is_not_opened(tmp_path):
    secret = save(tmp_path / "secret.zarr")
    path = save(tmp_path / "a.zarr", place="link")
    (path / "link").symlink_to(secret / "0")
    with pytest.raises(FileFormatError, match="outside"):
        read(path)


def test_a_codec_that_runs_code_is_not_used(tmp_path):
    path = save(tmp_path / "a.zarr")
    meta = json.loads((path / "0" / ".zarray").read_text())
    (path / "0" / ".zarray").write_text(json.dumps(meta | {"filters": [{"id": "pickle", "protocol": 5}]}))
    with pytest.raises(FileFormatError, match="pickle"):
        read(path)


@pytest.mark.parametrize(
    ("data", "axes", "words"),
    [
        (np.zeros((2, 4, 18, 20), np.uint8), "czyx", "Pick one channel"),
        (np.zeros((4, 18, 20), np.uint8), "tyx", "z, y, x"),
        (np.zeros((4, 18, 20), np.uint8), "xyz", "z, y, x"),
        (np.zeros((4, 18, 20), np.int64), "zyx", "Convert it"),
        (np.zeros((4, 18, 20), bool), "zyx", "Convert it"),
        (np.zeros((1, 18, 20), np.uint8), "zyx", "at least 2 sections"),
    ],
)
def test_what_is_no_grey_stack_is_refused(tmp_path, data, axes, words):
    with pytest.raises(VolumeError, match=words):
        read(save(tmp_path / "a.zarr", data, axes=axes))


def test_stores_without_an_image_say_where_to_look(tmp_path):
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    with pytest.raises(FileFormatError, match=r"for example .*0"):
        read(tmp_path / "a.zarr")
    (tmp_path / "b.zarr").mkdir()
    with pytest.raises(FileFormatError, match="no multiscales"):
        read(tmp_path / "b.zarr")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_damaged_chunk_is_an_error_when_it_is_used(tmp_path, version):
    path = save(tmp_path / "a.zarr", version=version)
    chunk = path / "0" / ("0/0/0" if version == "0.4" else "c/0/0/0")
    chunk.write_bytes(chunk.read_bytes()[:10])
    with pytest.raises(FileFormatError, match=r"a\.zarr"):
        read(path).section(0)
