"""Choice of a rasterizer."""

import pytest
import torch

from napari_emgauss.errors import BackendUnavailableError, ConfigError
from napari_emgauss.render import available_backends, splat
from napari_emgauss.render.backends import _explained
from napari_emgauss.runtime.gpu_parts import GpuPart


def scene(n=3, dtype=torch.float32):
    return (
        torch.zeros(n, 2, dtype=dtype),
        torch.tensor([[1.0, 0.0, 1.0]], dtype=dtype).repeat(n, 1),
        torch.ones(n).to(dtype),
    )


@pytest.mark.parametrize("option", [{"mode": "max"}, {"backend": "warp"}, {"mode": "alpha", "backend": "torch"}])
def test_an_unknown_mode_or_backend_is_an_error(option):
    with pytest.raises(ConfigError, match=next(iter(option.values())) if len(option) == 1 else "cannot draw"):
        splat(*scene(), (4, 4), **option)


def test_asking_for_gsplat_on_the_cpu_is_an_error():
    with pytest.raises(BackendUnavailableError, match="gsplat"):
        splat(*scene(), (4, 4), mode="alpha", backend="gsplat")


def test_every_backend_reports_its_state_with_a_remedy():
    states = {state.name: state for state in available_backends("cpu")}
    assert set(states) == {"cpu", "gsplat", "triton", "torch", "dense"}
    assert states["cpu"].ok
    assert states["dense"].ok
    assert not states["gsplat"].ok
    assert states["gsplat"].reason
    assert states["gsplat"].remedy


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_without_cuda_no_backend_claims_to_draw_there():
    assert not any(state.ok for state in available_backends("cuda"))


def test_a_build_that_fails_is_explained_by_what_is_missing_and_the_line_that_tells_the_error(monkeypatch):
    long = "Error building extension 'x':\n[1/3] nvcc -c a.cu\na.cu(3): error: no such thing\nninja: build stopped"
    parts = [GpuPart("ninja", False, "not found", "Install ninja."), GpuPart("gcc", False, "not found", "Install gcc.")]
    monkeypatch.setattr("napari_emgauss.render.backends.kernel_parts", lambda: parts)
    reason, remedy = _explained("It does not compile", ("ninja", "nvcc"), RuntimeError(long), "Ask.")
    assert reason == "It does not compile: ninja: not found; RuntimeError: a.cu(3): error: no such thing"
    assert remedy == "Install ninja."
    assert _explained("It does not compile", ("nvcc",), RuntimeError(long), "Ask.")[1] == "Ask."
