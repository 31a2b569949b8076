"""HDF5: which dataset, which voxel size, and which links are not followed."""

import h5py
import numpy as np
import pytest

from napari_emgauss.errors import FileFormatError, VolumeError
from napari_emgauss.io import read

DATA = np.random.default_rng(0).integers(0, 255, (7, 18, 20), dtype=np.uint8)
SIZE = (40.0, 4.0, 5.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


@pytest.mark.parametrize("options", [{}, {"chunks": (3, 8, 8), "compression": "gzip"}])
@pytest.mark.parametrize("dtype", ["uint8", ">u2", "int16", "float32", "float64"])
def test_the_only_3d_dataset_is_taken(path, dtype, options):
    with h5py.File(path, "w") as file:
        file.create_dataset("volumes/raw", data=DATA.astype(dtype), **options)
        file["table"] = np.arange(4)
    volume = read(path, voxel_size_nm=SIZE)
    np.testing.assert_array_equal(np.asarray(volume.data), DATA)
    np.testing.assert_array_equal(volume.section(3), DATA[3])
    np.testing.assert_array_equal(volume.every(2).data, DATA[::2])
    assert volume.metadata["dataset"] == "volumes/raw"


def test_several_candidates_are_listed_and_one_can_be_named(path):
    with h5py.File(path, "w") as file:
        file["raw"], file["labels"] = DATA, DATA.astype(np.uint16)
        file["five"] = DATA[None, ..., None]
    with pytest.raises(VolumeError, match=r"'labels' \(7, 18, 20\), 'raw' \(7, 18, 20\).*--dataset"):
        read(path, voxel_size_nm=SIZE)
    assert read(path, voxel_size_nm=SIZE, dataset="/labels").dtype == np.uint16
    np.testing.assert_array_equal(np.asarray(read(path, voxel_size_nm=SIZE, dataset="five").data), DATA)
    with pytest.raises(VolumeError, match=r"no dataset 'rwa'; it holds .*raw"):
        read(path, voxel_size_nm=SIZE, dataset="rwa")


@pytest.mark.parametrize(("name", "factor"), [("element_size_um", 1e-3), ("resolution", 1)])
def test_the_voxel_size_comes_from_known_attributes(path, name, factor):
    with h5py.File(path, "w") as file:
        file["raw"] = DATA
        file["raw"].attrs[name] = np.multiply(SIZE, factor)
        file["raw"].attrs["offset"] = (80.0, 8.0, 10.0)
    volume = read(path)
    np.testing.assert_allclose(volume.voxel_size_nm, SIZE)
    assert volume.origin_nm == ((80, 8, 10) if name == "resolution" else (0, 0, 0))


@pytest.mark.parametrize("value", ["forty", [1.0], [0.0, 4.0, 4.0], [np.nan] * 3])
def test_odd_attributes_count_as_unknown(path, value):
    with h5py.File(path, "w") as file:
        file["raw"] = DATA
        file["raw"].attrs["resolution"] = value
    with pytest.raises(VolumeError, match="--voxel-size-nm"):
        read(path)


@pytest.mark.parametrize("kind", ["external", "soft", "soft to external", "virtual", "raw"])
def test_nothing_leads_out_of_the_file(path, tmp_path, kind):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["raw"] = DATA
    (tmp_path / "secret.bin").write_bytes(DATA.tobytes())
    with h5py.File(path, "w") as file:
        file["mine"] = np.arange(3)
        file["out"] = h5py.ExternalLink("secret.h5", "/")
        if kind == "external":
            file["link"] = h5py.ExternalLink("secret.h5", "/raw")
        elif kind.startswith("soft"):
            file["link"] = h5py.SoftLink("/out/raw" if "external" in kind else "/mine")
        elif kind == "virtual":
            layout = h5py.VirtualLayout(DATA.shape, DATA.dtype)
            layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "raw", DATA.shape)
            file.create_virtual_dataset("link", layout)
        else:
            file.create_dataset("link", DATA.shape, DATA.dtype, external=[(tmp_path / "secret.bin", 0, DATA.nbytes)])
    with pytest.raises(FileFormatError, match=r"not followed|not opened"):
        read(path, voxel_size_nm=SIZE, dataset="link")
    with pytest.raises((FileFormatError, VolumeError)):
        read(path, voxel_size_nm=SIZE)
    with pytest.raises(FileFormatError, match="not followed"):
        read(path, voxel_size_nm=SIZE, dataset="out/raw")


@pytest.mark.parametrize(
    "value", [np.zeros((4, 18, 20), bool), np.zeros((4, 18, 20), "S3"), np.zeros((4, 18, 20), complex)]
)
def test_what_is_no_grey_level_is_refused(path, value):
    with h5py.File(path, "w") as file:
        file["raw"] = value
    with pytest.raises(VolumeError, match=r"grey levels|Convert it"):
        read(path, voxel_size_nm=SIZE, dataset="raw")


def test_a_dataset_is_no_part_of_other_formats(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II")
    with pytest.raises(VolumeError, match="Leave it out"):
        read(tmp_path / "a.tif", dataset="raw")


def deep(file, n):
    for _ in range(n):
        file = file.create_group("a")
        file["b"] = np.zeros((4, 18, 20), np.uint8)


def wide(file, n):
    for index in range(n):
        file.create_group(str(index))


def in_a_circle(file, n):
    group = file.create_group("a")
    for index in range(n):
        group[str(index)] = file
    file["raw"] = np.zeros((4, 18, 20), np.uint8)


def test_a_tree_of_groups_is_walked_from_parent_to_child(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        deep(file, 300)
    monkeypatch.setattr(h5py.Group, "visititems", None)  # opens each of them from the top
    with pytest.raises(VolumeError, match="holds 300 3D datasets") as told:
        read(tmp_path / "a.h5", voxel_size_nm=(40, 4, 4))
    assert len(str(told.value)) < 1000
    with h5py.File(tmp_path / "b.h5", "w") as file:
        in_a_circle(file, 300)
    assert read(tmp_path / "b.h5", voxel_size_nm=(40, 4, 4)).shape == (4, 18, 20)


@pytest.mark.parametrize("make", [deep, wide])
def test_a_tree_that_is_too_large_is_not_searched_but_read_by_name(tmp_path, monkeypatch, make):
    monkeypatch.setattr("napari_emgauss.io.hdf5._MAX_SEEN", 50 if make is wide else 2**14)
    monkeypatch.setattr("napari_emgauss.io.hdf5._MAX_NAME", 50)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file, 100)
        file["raw"] = np.zeros((4, 18, 20), np.uint8)
    with pytest.raises(VolumeError, match=r"holds more than .*Name the one to read"):
        read(tmp_path / "a.h5", voxel_size_nm=(40, 4, 4))
    assert read(tmp_path / "a.h5", voxel_size_nm=(40, 4, 4), dataset="raw").shape == (4, 18, 20)
