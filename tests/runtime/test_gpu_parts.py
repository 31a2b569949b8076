import importlib.util

import pytest
import torch

from napari_emgauss.runtime.gpu_parts import gpu_parts, kernel_parts


def test_a_cpu_build_of_torch_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    build = next(part for part in gpu_parts() if "torch" in part.name)
    assert not build.found
    assert "pytorch.org" in build.remedy


@pytest.mark.parametrize("name", ["triton", "gsplat", "nvcc", "ninja", "C++ compiler"])
def test_what_is_missing_has_a_remedy_and_what_is_there_has_none(monkeypatch, name):
    assert all(bool(part.remedy) is not part.found for part in kernel_parts())
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    monkeypatch.setattr("shutil.which", lambda *args, **kwargs: None)
    part = next(part for part in kernel_parts() if part.name == name)
    assert not part.found
    assert part.remedy
