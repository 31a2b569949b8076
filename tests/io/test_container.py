import json
import os
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_emgauss.errors import ConfigError, ModelFileError
from napari_emgauss.io.container import KEY, Container, write_container

TENSORS = {
    "0/a": torch.arange(6.0).reshape(2, 3),
    "1/a": torch.zeros(0, 2),
    "map": torch.ones(3, dtype=torch.float16),
    "n": torch.tensor([1, 2]),
}


@pytest.fixture
def path(tmp_path):
    return write_container(tmp_path / "new" / "m.emgauss", "toy", {"shape": [1, 2]}, iter(TENSORS.items()))


def test_a_container_names_its_method_and_gives_back_what_was_written(path):
    container = Container(path)
    assert container.method == "toy"
    assert container.header["shape"] == [1, 2]
    assert set(container.names) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert container.shape(name) == tuple(tensor.shape)
        assert torch.equal(container.tensor(name), tensor)
        assert container.tensor(name).dtype == tensor.dtype
    assert torch.equal(container.under("0/")["a"], TENSORS["0/a"])


def test_any_program_that_reads_safetensors_reads_it(path):
    held = load_file(path)
    assert all(torch.equal(held[name], tensor) for name, tensor in TENSORS.items())


def test_tensors_are_made_one_at_a_time(tmp_path):
    alive = []

    def made():
        for k in range(5):
            tensor = torch.full((1000,), float(k))
            alive.append(k)
            yield f"{k}", tensor

    write_container(tmp_path / "m.emgauss", "toy", {}, made())
    assert Container(tmp_path / "m.emgauss").tensor("3")[0] == 3


def test_a_failure_leaves_the_old_file_and_nothing_else(path):
    before = path.read_bytes()

    def broken():
        yield "a", torch.zeros(2)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_container(path, "toy", {}, broken())
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_an_open_container_goes_on_when_its_name_is_taken(path):
    container = Container(path)
    write_container(path, "toy", {}, [("0/a", torch.ones(1))])
    assert torch.equal(container.tensor("0/a"), TENSORS["0/a"])


def test_a_file_that_is_cut_short_while_it_is_open_is_an_error_and_no_crash(path):
    container = Container(path)
    os.truncate(path, path.stat().st_size - 4)
    assert torch.equal(container.tensor("0/a"), TENSORS["0/a"])
    with pytest.raises(ModelFileError, match=r"m\.emgauss was cut short"):
        container.tensor(container.names[-1])


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 20]}, "its size is not"),
        ({"dtype": "F32", "shape": [-2, -3], "data_offsets": [0, 24]}, "its size is not"),
        ({"dtype": "Q9", "shape": [6], "data_offsets": [0, 24]}, "unknown type"),
        ({"dtype": "F32", "shape": [6], "data_offsets": [4, 28]}, "does not begin"),
        ({"dtype": "F32", "shape": [5], "data_offsets": [0, 20]}, "end at byte"),
        ({"dtype": "F32", "shape": [6]}, "data_offsets"),
        ({"dtype": "F32", "shape": 6, "data_offsets": [0, 24]}, "not a usable model"),
        ([1], "not a usable model"),
    ],
)
def test_headers_that_do_not_fit_their_file_are_refused(part, message, tmp_path):
    text = json.dumps({"__metadata__": {KEY: json.dumps({"version": 5})}, "a": part}).encode()
    path = tmp_path / "m.emgauss"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(24))
    with pytest.raises(ModelFileError, match=message):
        Container(path)


def test_the_first_versions_named_no_method(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "m.emgauss", metadata={KEY: json.dumps({"version": 3})})
    assert Container(tmp_path / "m.emgauss").method == "emgauss"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "no napari-emgauss model"),
        ({KEY: "[]"}, "no object"),
        ({KEY: "{"}, "not a usable model"),
        ({KEY: json.dumps({"version": 99})}, "Update napari-emgauss"),
        ({KEY: json.dumps({"version": "4"})}, "Update napari-emgauss"),
        ({KEY: json.dumps({})}, "Update napari-emgauss"),
    ],
)
def test_foreign_headers_are_refused(tmp_path, metadata, message):
    save_file({"a": torch.zeros(1)}, tmp_path / "m.emgauss", metadata=metadata)
    with pytest.raises(ModelFileError, match=message):
        Container(tmp_path / "m.emgauss")


@pytest.mark.parametrize("name", ["stack.tif", "brain.nii.gz", "weights.pt"])
def test_files_of_other_kinds_are_refused_with_what_reads_them(tmp_path, name):
    (tmp_path / name).write_bytes(b"II*\0 and what is no header" * 9)
    with pytest.raises(ModelFileError, match=rf"{name} is no model: a model is a \.emgauss file.* read_particles"):
        Container(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"abc", struct.pack("<Q", 2**40) + b"{}", bytes(200)])
def test_damaged_files_are_refused_with_their_name(tmp_path, content):
    (tmp_path / "m.emgauss").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"m\.emgauss"):
        Container(tmp_path / "m.emgauss")


def test_a_truncated_file_is_refused_at_any_length(path, tmp_path):
    whole = path.read_bytes()
    for length in np.linspace(1, len(whole) - 1, 23).astype(int):
        (tmp_path / "t.emgauss").write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            Container(tmp_path / "t.emgauss")


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        Container(tmp_path / "none.emgauss")


def test_a_folder_is_never_replaced_by_a_model(tmp_path):
    (tmp_path / "data.ome.zarr").mkdir()
    (tmp_path / "data.ome.zarr" / "zarr.json").write_text("{}")
    with pytest.raises(IsADirectoryError, match="Choose another name"):
        write_container(tmp_path / "data.ome.zarr", "toy", {}, [])
    assert (tmp_path / "data.ome.zarr" / "zarr.json").exists()


def test_a_model_takes_the_place_of_no_other_kind_of_file(tmp_path):
    (tmp_path / "brain.nii.gz").write_bytes(b"data")
    with pytest.raises(ConfigError, match=r"saved as \.emgauss, got 'brain\.nii\.gz'"):
        write_container(tmp_path / "brain.nii.gz", "toy", {}, [])
    assert (tmp_path / "brain.nii.gz").read_bytes() == b"data"


def test_a_header_that_could_not_be_read_again_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_emgauss.io.container.MAX_HEADER_BYTES", 200)
    with pytest.raises(ModelFileError, match="larger tiles"):
        write_container(tmp_path / "m.emgauss", "toy", {"long": "x" * 300}, [])
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_a_model_can_be_read_by_whom_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        path = write_container(tmp_path / "m.emgauss", "toy", {}, [("a", torch.zeros(2))])
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
