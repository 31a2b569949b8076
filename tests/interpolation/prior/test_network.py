"""The prior's network."""

import pytest
import torch

from napari_emgauss.errors import ConfigError
from napari_emgauss.interpolation.prior import PriorConfig, PriorNetwork
from napari_emgauss.interpolation.prior.network import _carried

SMALL = PriorConfig(widths=(8, 12), blocks=(1, 1), coefficients=3)


def network_of(config, *, seed=0):
    """A network with random weights in its last layers too."""
    torch.manual_seed(seed)
    network = PriorNetwork(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return network.eval().requires_grad_(requires_grad=False)


def example(n=2, *, side=16, seed=1, reach=2):
    generator = torch.Generator().manual_seed(seed)
    sections = torch.randn((n, 2 * reach, side, side), generator=generator)
    return sections, torch.full((n, 2 * reach - 1), 5.0), torch.tensor([[0.2, 0.7]]).expand(n, 2)


@pytest.mark.parametrize("motion", [False, True])
@pytest.mark.parametrize("reach", [1, 2, 3])
def test_an_untrained_network_blends_the_sections_around_the_gap(motion, reach):
    sections, gaps_px, phases = example(reach=reach)
    network = PriorNetwork(PriorConfig(reach=reach, motion=motion, widths=(8, 12), blocks=(1, 1)))
    below, above = sections[:, reach - 1, None], sections[:, reach, None]
    wanted = torch.lerp(below, above, phases[..., None, None])
    torch.testing.assert_close(network(sections, gaps_px, phases), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("motion", [False, True])
def test_what_is_found_of_a_gap_serves_every_phase(motion):
    config = PriorConfig(widths=(8, 12), blocks=(1, 1), motion=motion)
    network, (sections, gaps_px, phases) = network_of(config), example()
    both = network(sections, gaps_px, phases)
    found = network.analyse(sections, gaps_px)
    for i in range(2):
        one = network.compose(sections, *found, gaps_px, phases[:, i : i + 1])
        torch.testing.assert_close(one[:, 0], both[:, i])


def test_examples_of_a_batch_know_nothing_of_each_other():
    network, (sections, gaps_px, phases) = network_of(SMALL), example()
    gaps_px = gaps_px * torch.tensor([[1.0], [1.7]])
    together = network(sections, gaps_px, phases)
    for i in range(2):
        one = slice(i, i + 1)
        torch.testing.assert_close(network(sections[one], gaps_px[one], phases[one]), together[one])


def test_the_distances_between_sections_make_a_difference():
    network, (sections, gaps_px, phases) = network_of(SMALL), example()
    usual = network(sections, gaps_px, phases)
    for changed in ([8.0, 8.0, 8.0], [0.0, 5.0, 5.0], [5.0, 5.0, 10.0]):
        other = network(sections, torch.tensor([changed]).expand(2, 3), phases)
        assert torch.isfinite(other).all()
        assert (other - usual).abs().max() > 1e-3


def test_a_carried_image_is_sampled_at_each_pixel_plus_its_displacement():
    image = torch.randn((1, 1, 12, 14), generator=torch.Generator().manual_seed(0))
    displacement = torch.zeros((1, 2, 12, 14))
    displacement[:, 0], displacement[:, 1] = 2.0, -3.0
    carried = _carried(image, displacement)
    torch.testing.assert_close(carried[..., :10, 3:], image[..., 2:, :-3], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [{"reach": 0}, {"widths": ()}, {"widths": (8, 10**9)}, {"blocks": (1, 10**9)}, {"blocks": (1,)}, {"shuffle": 0}],
)
def test_an_impossible_architecture_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PriorConfig(**{"widths": (8, 12), "blocks": (1, 1), **wrong})


def test_the_architecture_survives_json():
    config = PriorConfig(reach=3, widths=(8, 12), blocks=(1, 2), motion=True)
    assert PriorConfig.from_json(config.to_json()) == config
    assert config.multiple_px == 4
    with pytest.raises(ConfigError, match="unknown"):
        PriorConfig.from_json({"reach": 2, "depth": 3})
    with pytest.raises(ConfigError, match="reach"):
        PriorConfig.from_json({"reach": "2"})
