"""The weights in their file."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_emgauss.errors import ModelFileError
from napari_emgauss.interpolation.prior import PriorConfig, PriorNetwork, load_prior
from napari_emgauss.interpolation.prior.weights import read_weights, write_weights

SMALL = PriorConfig(widths=(8, 12), blocks=(1, 1), motion=True)
CONFIG = json.dumps(SMALL.to_json())


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "w.safetensors"
    write_weights(PriorNetwork(SMALL), path)
    return path


def test_the_network_of_the_package_is_read_once_and_never_trained():
    network = load_prior()
    assert load_prior() is network
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())


def test_what_was_written_comes_back_as_half_precision_has_it(file):
    torch.manual_seed(0)
    written, read = PriorNetwork(SMALL), read_weights(file)
    assert read.config == SMALL
    for name, value in written.state_dict().items():
        assert torch.equal(read.state_dict()[name], value.half().float()), name


def test_a_missing_or_damaged_file_is_told_in_words(file):
    raw = file.read_bytes()
    for damaged in (b"", b"no weights", raw[: len(raw) // 2], raw[:20] + b"x" * 40 + raw[60:]):
        file.write_bytes(damaged)
        with pytest.raises(ModelFileError, match=r"w\.safetensors are not usable .* Install the package anew"):
            read_weights(file)
    file.unlink()
    with pytest.raises(ModelFileError, match=r"w\.safetensors are not usable"):
        read_weights(file)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"config": "no JSON"},
        {"config": "[]"},
        {"config": "{}"},
        {"config": CONFIG.replace("[8, 12]", "[8, 13]")},
        {"config": CONFIG.replace("[8, 12]", "[8, 1000000000]")},
        {"config": CONFIG.replace("true", '"yes"')},
    ],
)
def test_weights_of_another_architecture_are_refused(file, metadata):
    save_file(load_file(file), file, metadata=metadata)
    with pytest.raises(ModelFileError, match="not usable"):
        read_weights(file)


def test_weights_that_are_missing_foreign_or_no_numbers_are_refused(file):
    tensors = load_file(file)
    (name, first), *others = tensors.items()
    for changed in (
        dict(others),
        {**tensors, "foreign": torch.zeros(3)},
        {**tensors, name: torch.full_like(first, torch.nan)},
    ):
        save_file(changed, file, metadata={"config": CONFIG})
        with pytest.raises(ModelFileError, match="not usable"):
            read_weights(file)
