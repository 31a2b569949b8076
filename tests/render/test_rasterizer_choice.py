"""Bad input and missing backends are said clearly, and never replaced silently."""

import pytest
import torch

from napari_emgauss.errors import BackendUnavailableError, ConfigError
from napari_emgauss.render import available_backends, splat


def scene(n=3, dtype=torch.float32):
    return (
        torch.zeros(n, 2, dtype=dtype),
        torch.tensor([[1.0, 0.0, 1.0]], dtype=dtype).repeat(n, 1),
        torch.ones(n).to(dtype),
    )


@pytest.mark.misuse
@pytest.mark.parametrize(
    ("which", "wrong", "rule"),
    [
        (0, torch.zeros(3, 3), r"means_px must have shape \(n, 2\).*\(3, 3\)"),
        (1, torch.zeros(2, 3), r"conics must have shape \(3, 3\).*\(2, 3\)"),
        (2, torch.zeros(4), r"weights must have shape \(3,\).*\(4,\)"),
        (2, torch.zeros(3, 0), r"weights must have shape"),
    ],
)
def test_wrong_shapes_are_named(which, wrong, rule):
    tensors = list(scene())
    tensors[which] = wrong
    with pytest.raises(ValueError, match=rule):
        splat(*tensors, (4, 4))


@pytest.mark.misuse
def test_wrong_opacities_and_image_shapes_are_named():
    with pytest.raises(ValueError, match="opacities must have shape"):
        splat(*scene(), (4, 4), opacities=torch.ones(2))
    with pytest.raises(ValueError, match="shape must be"):
        splat(*scene(), (0, 4))


def test_a_wrong_dtype_is_named():
    with pytest.raises(TypeError, match=r"float32.*torch\.float64"):
        splat(*scene(dtype=torch.float64), (4, 4))
    means, conics, weights = scene()
    with pytest.raises(TypeError, match="weights must have the dtype of means_px"):
        splat(means, conics, weights.double(), (4, 4))


@pytest.mark.parametrize("option", [{"mode": "max"}, {"backend": "warp"}, {"mode": "alpha", "backend": "torch"}])
def test_an_unknown_mode_or_backend_is_an_error(option):
    with pytest.raises(ConfigError, match=next(iter(option.values())) if len(option) == 1 else "cannot draw"):
        splat(*scene(), (4, 4), **option)


def test_asking_for_gsplat_on_the_cpu_is_an_error():
    with pytest.raises(BackendUnavailableError, match="gsplat"):
        splat(*scene(), (4, 4), mode="alpha", backend="gsplat")


def test_every_backend_reports_its_state_with_a_remedy():
    states = {state.name: state for state in available_backends("cpu")}
    assert set(states) == {"cpu", "gsplat", "torch", "dense"}
    assert states["cpu"].ok
    assert states["dense"].ok
    assert not states["gsplat"].ok
    assert states["gsplat"].reason
    assert states["gsplat"].remedy


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_without_cuda_no_backend_claims_to_draw_there():
    assert not any(state.ok for state in available_backends("cuda"))
