"""Sums by triton's kernels beyond what the conformance suite asks of every backend."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from napari_emgauss.errors import BackendUnavailableError
from napari_emgauss.render import Tangent, splat, splat_several

pytest.importorskip("triton", reason="needs triton, which is for Linux")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SHAPE = (19, 35)


def scene(n=12, seed=0):
    """Means, conics and weights, some off the image."""
    g = torch.Generator().manual_seed(seed)
    means = torch.rand(n, 2, generator=g) * torch.tensor([SHAPE[0] + 8.0, SHAPE[1] + 8.0]) - 4.0
    conics = torch.tensor([0.2, 0.0, 0.1]) + torch.rand(n, 3, generator=g) * torch.tensor([0.3, 0.1, 0.3])
    return [tensor.to(DEVICE) for tensor in (means, conics, torch.randn(n, generator=g))]


def image_and_gradients(tensors, draw):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    image = draw(*leaves)
    weight = torch.linspace(-1, 2, image.numel(), device=DEVICE).reshape(image.shape)
    (image * weight).sum().backward()
    return [image.detach(), *(leaf.grad for leaf in leaves)]


def one(means, conics, weights):
    return splat(means, conics, weights, SHAPE, backend="triton")


def test_results_repeat_bit_for_bit():
    for first, second in zip(image_and_gradients(scene(), one), image_and_gradients(scene(), one), strict=True):
        assert torch.equal(first, second)


def test_pairs_that_outgrow_their_slots_draw_the_same_image_to_the_last_bit(monkeypatch):
    expected, seen = one(*scene()), []
    moments = Tangent(*scene()[:2], SHAPE, backend="triton").draw(torch.ones(12, 6, device=DEVICE))
    monkeypatch.setattr("napari_emgauss.render.gpu.pairs._Slots.enough", lambda *_, **__: seen.append(1) or 3)
    assert torch.equal(one(*scene()), expected)
    assert torch.equal(Tangent(*scene()[:2], SHAPE, backend="triton").draw(torch.ones(12, 6, device=DEVICE)), moments)
    assert len(seen) == 2


@pytest.mark.parametrize("backend", ["triton", "auto"])
def test_several_images_are_those_drawn_one_by_one(backend):
    counts = [5, 0, 4, 3]

    def several(means, conics, weights):
        return splat_several(means, conics, weights, counts, SHAPE, backend=backend)

    def each(*tensors):
        parts = zip(*(tensor.split(counts) for tensor in tensors), strict=True)
        return torch.stack([splat(*part, SHAPE, backend=backend) for part in parts])

    together, apart = image_and_gradients(scene(), several), image_and_gradients(scene(), each)
    for a, b in zip(together, apart, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)
    assert together[0].abs().amax((1, 2)).tolist()[1] == 0


@pytest.mark.misuse
def test_counts_that_do_not_add_up_are_named():
    with pytest.raises(ValueError, match=r"add up to n = 12, got \[5, 6\]"):
        splat_several(*scene(), [5, 6], SHAPE)


class NoWaiting(TorchDispatchMode):
    """Refuses what has the host wait for the device, or sizes that only the device knows."""

    WAITS = ("_local_scalar_dense", "item", "nonzero", "unique", "masked_select", "is_nonzero", "equal", "bincount")

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        assert not any(name == wait or name.startswith(("unique", "_unique")) for wait in self.WAITS), name
        if name in ("index", "index_put_"):
            assert all(index is None or index.dtype is not torch.bool for index in args[1]), name
        assert name != "repeat_interleave" or (kwargs or {}).get("output_size") is not None
        return function(*args, **(kwargs or {}))


def test_nothing_waits_for_the_device_but_the_first_list_of_a_kind():
    tensors, opacities = scene(), torch.full((12,), 0.5, device=DEVICE)

    def step():
        image_and_gradients(
            tensors, lambda *own: splat_several(*own, [7, 5], SHAPE, opacities=opacities, backend="triton")
        )
        tangent = Tangent(*tensors[:2], SHAPE, backend="triton")
        tangent.project(tangent.draw(torch.ones(12, 6, device=DEVICE)))

    step()
    with NoWaiting():
        step()


def test_the_mode_that_forbids_waiting_notices_it():
    with NoWaiting(), pytest.raises(AssertionError, match="_local_scalar_dense"):
        torch.ones(1).item()


def test_tensors_in_main_memory_are_refused_in_words(monkeypatch):
    from napari_emgauss.render import backends

    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    backends._triton_failure.cache_clear()
    try:
        with pytest.raises(BackendUnavailableError, match=r"draws tensors on a CUDA device, not on cpu\. Move"):
            splat(*(tensor.cpu() for tensor in scene()), SHAPE, backend="triton")
    finally:
        backends._triton_failure.cache_clear()
