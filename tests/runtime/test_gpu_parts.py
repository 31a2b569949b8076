import importlib.util
import subprocess

import pytest
import torch

from napari_emgauss.runtime.gpu_parts import gpu_parts, kernel_parts


def test_a_cpu_build_of_torch_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    build = next(part for part in gpu_parts() if "torch" in part.name)
    assert not build.found
    assert "pytorch.org" in build.remedy


@pytest.mark.parametrize("name", ["triton", "gsplat", "nvcc", "ninja", "C++ compiler", "C compiler"])
def test_what_is_missing_has_a_remedy_and_what_is_there_has_none(monkeypatch, name):
    assert all(bool(part.remedy) is not part.found for part in kernel_parts())
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    monkeypatch.setattr("shutil.which", lambda *args, **kwargs: None)
    part = next(part for part in kernel_parts() if part.name == name)
    assert not part.found
    assert part.remedy


@pytest.mark.parametrize(
    ("nvcc", "found", "detail"),
    [
        ("12.4", True, "release 12.4"),
        ("11.2", False, "release 11.2, torch is built with CUDA 12.8"),
        ("", False, "not"),
    ],
)
def test_an_nvcc_of_another_cuda_than_torch_does_not_do(monkeypatch, nvcc, found, detail):
    def run(command, **options):
        return subprocess.CompletedProcess(command, 0, f"Cuda compilation tools, release {nvcc}, V{nvcc}.61\n")

    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr("shutil.which", lambda name, path=None: name if nvcc else None)
    monkeypatch.setattr("subprocess.run", run)
    part = next(part for part in kernel_parts() if part.name == "nvcc")
    assert part.found is found
    assert detail in part.detail


def test_a_compiler_that_the_environment_names_must_be_there(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name, path=None: name if name == "gcc" else None)
    for chosen, found in (("", True), ("icc -O2", False)):
        monkeypatch.setenv("CC", chosen)
        assert next(part for part in kernel_parts() if part.name == "C compiler").found is found
