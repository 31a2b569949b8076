"""A device is what was asked for, or an error that says what to do."""

import pytest
import torch

from napari_emgauss.errors import BackendUnavailableError
from napari_emgauss.runtime.device import choose_device


@pytest.mark.parametrize(("works", "kind"), [(False, "cpu"), (True, "cuda")])
def test_auto_is_the_gpu_where_it_works(monkeypatch, works, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: works)
    assert choose_device("auto").type == kind
    assert choose_device("cpu").type == "cpu"


def test_what_cannot_be_had_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackendUnavailableError, match="device='cpu'"):
        choose_device("cuda:0")
    with pytest.raises(BackendUnavailableError, match="auto, cpu or cuda, got 'tpu'"):
        choose_device("tpu")
