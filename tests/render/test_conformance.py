"""One suite of laws for every rasterizer; each compares with the dense float64 definition."""

import math
from importlib.util import find_spec
from typing import ClassVar

import pytest
import torch

from napari_emgauss.render import splat

SHAPE = (37, 53)


def conics_of(sigma_y, sigma_x, angle):
    """Conics of Gaussians with these standard deviations, turned by ``angle``."""
    c, s = torch.cos(angle), torch.sin(angle)
    p, q = sigma_y**-2, sigma_x**-2
    return torch.stack([c * c * p + s * s * q, c * s * (p - q), s * s * p + c * c * q], 1)


def random_scene(n, *, shape=SHAPE, seed=0, sigmas=(0.6, 6.0), channels=None):
    """Means (some off the image), conics, weights and opacities as float32."""
    g = torch.Generator().manual_seed(seed)
    means = torch.rand(n, 2, generator=g) * torch.tensor([shape[0] + 10.0, shape[1] + 10.0]) - 5.5
    low, high = math.log(sigmas[0]), math.log(sigmas[1])
    sigma = torch.exp(low + (high - low) * torch.rand(n, 2, generator=g))
    conics = conics_of(sigma[:, 0], sigma[:, 1], 6.28 * torch.rand(n, generator=g))
    weights = torch.randn(n, generator=g) if channels is None else torch.randn(n, channels, generator=g)
    return means, conics, weights, 0.05 + 0.9 * torch.rand(n, generator=g)


def image_and_gradients(scene, shape, *, mode, backend, device="cpu", seed=5):
    """The image and the gradient of its product with fixed noise, all as float64 on the CPU."""
    leaves = [tensor.detach().to(device, copy=True).requires_grad_() for tensor in scene]
    image = splat(*leaves[:3], shape, opacities=leaves[3], mode=mode, backend=backend)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed)).to(image)
    (image * noise).sum().backward()
    return [result.detach().cpu().double() for result in (image, *(leaf.grad for leaf in leaves))]


class Conformance:
    """What every backend must do."""

    backend: ClassVar[str]
    mode: ClassVar[str]
    device: ClassVar[str] = "cpu"
    fewer: ClassVar[int] = 1
    """Part of the Gaussians that are drawn, where that is slow."""
    tolerance: ClassVar[float] = 1e-4
    """Of images and gradients, in parts of the largest value."""

    def some(self, n):
        return max(8, n // self.fewer)

    def draw(self, means, conics, weights, opacities=None, shape=SHAPE):
        tensors = [None if t is None else t.to(self.device) for t in (means, conics, weights, opacities)]
        options = {"opacities": tensors[3], "mode": self.mode, "backend": self.backend}
        return splat(*tensors[:3], shape, **options).detach().cpu()

    def agree(self, scene, shape=SHAPE):
        """Image and all gradients agree with the definition."""
        ours = image_and_gradients(scene, shape, mode=self.mode, backend=self.backend, device=self.device)
        exact = image_and_gradients([t.double() for t in scene], shape, mode=self.mode, backend="dense")
        for name, a, b in zip(("image", "means", "conics", "weights", "opacities"), ours, exact, strict=True):
            assert a.shape == b.shape
            assert torch.isfinite(a).all(), name
            assert (a - b).abs().max() <= self.tolerance * b.abs().max() + 1e-7, name

    def test_a_random_scene_agrees_with_the_definition(self):
        self.agree(random_scene(self.some(150)))

    def test_channels_agree_with_the_definition(self):
        self.agree(random_scene(self.some(60), channels=3))

    def test_one_channel_keeps_its_axis(self):
        means, conics, weights, _ = random_scene(3)
        assert self.draw(means, conics, weights[:, None]).shape == (*SHAPE, 1)
        assert self.draw(means, conics, weights).shape == SHAPE

    def test_long_thin_tilted_gaussians_agree_with_the_definition(self):
        n = self.some(24)
        means, _, weights, opacities = random_scene(n, seed=3)
        conics = conics_of(torch.full((n,), 40.0), torch.full((n,), 0.4), torch.linspace(0, 3.1, n))
        self.agree((means, conics, weights, opacities))

    def test_gaussians_smaller_than_a_pixel_agree_with_the_definition(self):
        n = self.some(40)
        _, _, weights, opacities = random_scene(n, seed=4)
        offset = 0.3 * (torch.rand(n, 2, generator=torch.Generator().manual_seed(1)) - 0.5)
        means = torch.stack([torch.arange(float(n)) % 30, torch.arange(float(n))], 1) + offset
        conics = conics_of(torch.full((n,), 0.1), torch.full((n,), 0.1), torch.zeros(n))
        self.agree((means, conics, weights, opacities))
        assert self.draw(means, conics, weights).abs().max() > 0.1

    @pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1)])
    def test_images_one_pixel_wide_or_high_agree_with_the_definition(self, shape):
        self.agree(random_scene(self.some(40), shape=shape, seed=6), shape)

    def test_an_empty_scene_is_black_and_has_empty_gradients(self):
        image, *gradients = image_and_gradients(
            random_scene(0), SHAPE, mode=self.mode, backend=self.backend, device=self.device
        )
        assert image.shape == SHAPE
        assert image.abs().max() == 0
        assert [len(gradient) for gradient in gradients] == [0, 0, 0, 0]

    def test_gaussians_off_the_image_draw_nothing_and_get_no_gradient(self):
        means, conics, weights, opacities = random_scene(4, sigmas=(1.0, 2.0))
        means = torch.tensor([[-20.0, 5.0], [90.0, 5.0], [5.0, -20.0], [5.0, 1e6]])
        scene = means, conics, weights, opacities
        for result in image_and_gradients(scene, SHAPE, mode=self.mode, backend=self.backend, device=self.device):
            assert result.abs().max() == 0

    def test_degenerate_gaussians_are_left_out(self):
        means, conics, weights, opacities = random_scene(9)
        nan, inf = math.nan, math.inf
        bad = torch.tensor([[1.0, 1.0, 1.0], [1, 2, 1], [-1, 0, -1], [nan, 0, 1], [1, nan, 1], [inf, 0, 1], [0, 0, 0]])
        conics[:7] = bad
        means[7] = torch.tensor([nan, 3.0])
        self.agree((means, conics, weights, opacities))
        assert torch.equal(
            self.draw(means, conics, weights, opacities),
            self.draw(*(t[8:] for t in (means, conics, weights, opacities))),
        )

    def test_moving_everything_by_whole_pixels_moves_the_image(self):
        means, conics, weights, opacities = random_scene(self.some(20), sigmas=(0.6, 2.0))
        means = torch.round((means.clamp(8, 22)) * 64) / 64
        still = self.draw(means, conics, weights, opacities)
        moved = self.draw(means + torch.tensor([3.0, 5.0]), conics, weights, opacities)
        torch.testing.assert_close(moved[3:, 5:], still[:-3, :-5], rtol=1e-5, atol=1e-5)
        assert still.abs().max() > 0.1

    def test_turning_everything_by_90_degrees_turns_the_image(self):
        means, conics, weights, opacities = random_scene(self.some(40), seed=8)
        turned_means = torch.stack([SHAPE[1] - 1 - means[:, 1], means[:, 0]], 1)
        turned_conics = torch.stack([conics[:, 2], -conics[:, 1], conics[:, 0]], 1)
        turned = self.draw(turned_means, turned_conics, weights, opacities, SHAPE[::-1])
        still = self.draw(means, conics, weights, opacities)
        torch.testing.assert_close(turned, torch.rot90(still), rtol=1e-4, atol=1e-5)

    def test_nothing_is_drawn_below_one_part_in_255(self):
        sigma = 4.0
        conics = torch.tensor([[sigma**-2, 0.0, sigma**-2]])
        row = self.draw(torch.tensor([[0.0, 26.0]]), conics, torch.ones(1), torch.ones(1), (1, 53))[0]
        reach = int(sigma * math.sqrt(2 * math.log(255)))
        assert row[26 + reach] >= 1 / 255
        assert row[26 + reach + 1] == 0


class SumLaws(Conformance):
    mode = "sum"

    @pytest.mark.parametrize("sigmas", [(2.0, 3.0), (8.0, 1.5)])
    def test_the_integral_is_that_of_the_truncated_gaussian(self, sigmas):
        conics = conics_of(torch.tensor([sigmas[0]]), torch.tensor([sigmas[1]]), torch.tensor([0.6]))
        image = self.draw(torch.tensor([[30.3, 31.8]]), conics, torch.tensor([0.7]), None, (64, 64))
        expected = 254 / 255 * 2 * math.pi * sigmas[0] * sigmas[1] * 0.7
        assert image.double().sum().item() == pytest.approx(expected, rel=2e-3)

    def test_gaussians_far_from_the_origin_agree_with_the_definition(self):
        means, conics, weights, opacities = random_scene(8, shape=(3, 30))
        means[:, 1] += 1960
        self.agree((means, conics, weights, opacities), (3, 2000))

    def test_the_order_does_not_matter(self):
        scene = random_scene(self.some(50))
        torch.testing.assert_close(
            self.draw(*scene), self.draw(*(tensor.flip(0) for tensor in scene)), rtol=1e-4, atol=1e-5
        )


class AlphaLaws(Conformance):
    mode = "alpha"

    def test_the_order_matters_and_the_first_is_in_front(self):
        means, conics = torch.full((2, 2), 3.0), torch.tensor([[0.1, 0.0, 0.1]]).repeat(2, 1)
        weights, opacities = torch.tensor([1.0, 0.0]), torch.tensor([0.8, 0.8])
        front = self.draw(means, conics, weights, opacities, (7, 7))[3, 3].item()
        behind = self.draw(means, conics, weights.flip(0), opacities, (7, 7))[3, 3].item()
        assert front == pytest.approx(0.8, rel=1e-5)
        assert behind == pytest.approx(0.8 * 0.2, rel=1e-5)

    def test_a_pixel_ends_before_its_transmittance_would_fall_to_the_limit(self):
        means, conics = torch.zeros(4, 2), torch.tensor([[1.0, 0.0, 1.0]]).repeat(4, 1)
        opacities = torch.tensor([0.99, 0.9, 0.95, 0.5])
        # T: 0.01, then 0.001; the third would leave 5e-5 and ends the pixel, so the fourth is not drawn either.
        image = self.draw(means, conics, torch.ones(4), opacities, (1, 1))
        assert image.item() == pytest.approx(0.99 + 0.01 * 0.9, rel=1e-5)

    def test_a_clamped_alpha_passes_no_gradient_to_its_opacity(self):
        scene = torch.zeros(1, 2), torch.tensor([[1.0, 0.0, 1.0]]), torch.ones(1), torch.ones(1)
        image, means, conics, weights, opacities = image_and_gradients(
            scene, (1, 1), mode="alpha", backend=self.backend, device=self.device
        )
        assert image.item() == pytest.approx(0.999, rel=1e-6)
        assert weights.abs().item() > 0
        assert means.abs().max() == conics.abs().max() == opacities.abs().max() == 0

    def test_deep_stacks_agree_with_the_definition(self):
        means, conics, weights, opacities = random_scene(400, seed=9, sigmas=(3.0, 8.0))
        self.agree((means, conics, weights, opacities))


class TestCpuSum(SumLaws):
    backend = "cpu"


class TestCpuAlpha(AlphaLaws):
    backend = "cpu"


class TestTorchSum(SumLaws):
    backend = "torch"


@pytest.mark.skipif(find_spec("triton") is None, reason="needs triton, which is for Linux")
class TestTritonSum(SumLaws):
    backend = "triton"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    fewer = 1 if torch.cuda.is_available() else 6


class TestDenseSum(SumLaws):
    backend = "dense"


class TestDenseAlpha(AlphaLaws):
    backend = "dense"


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.gpu
@needs_gpu
class TestTorchSumOnGpu(SumLaws):
    backend = "torch"
    device = "cuda"


@pytest.mark.gpu
@needs_gpu
class TestGsplatAlpha(AlphaLaws):
    backend = "gsplat"
    device = "cuda"
    tolerance = 3e-4  # its gradient divides the transmittance by 1 - alpha, Gaussian by Gaussian, in float32


@pytest.mark.parametrize("mode", ["sum", "alpha"])
def test_the_definition_has_the_gradient_of_its_differences(mode):
    scene = [t.double().requires_grad_() for t in random_scene(4, shape=(6, 7), seed=2, sigmas=(1.5, 3.0), channels=2)]

    def draw(means, conics, weights, opacities):
        return splat(means, conics, weights, (6, 7), opacities=opacities, mode=mode, backend="dense")

    assert torch.autograd.gradcheck(draw, scene, eps=1e-7, atol=1e-5)
