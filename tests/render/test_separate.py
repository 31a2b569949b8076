import pytest
import torch

from napari_emgauss.render import gauss_newton_step
from napari_emgauss.render.separate import SeveralImages

SHAPE, COUNTS = (17, 23), (5, 0, 9, 1)


def gaussians(n):
    g = torch.Generator().manual_seed(n)
    return {
        "mean_px": torch.rand(n, 2, generator=g) * torch.tensor(SHAPE),
        "log_scale": 0.5 + 0.3 * torch.randn(n, 2, generator=g),
        "angle_rad": torch.rand(n, generator=g),
        "intensity": torch.rand(n, generator=g),
    }


def test_sums_are_those_of_each_image_and_numbers_reach_its_gaussians():
    images = SeveralImages(COUNTS, torch.device("cpu"))
    values = torch.randn(sum(COUNTS), 6, generator=torch.Generator().manual_seed(0))
    parts = torch.split(values, list(COUNTS))
    torch.testing.assert_close(images.sum(values), torch.stack([part.sum() for part in parts]))
    numbers = torch.arange(4.0)
    assert images.spread(numbers, 2).flatten().tolist() == [0.0] * 5 + [2.0] * 9 + [3.0]


@pytest.mark.parametrize("weights_only", [True, False])
def test_images_solved_side_by_side_come_out_as_each_alone(weights_only):
    sets = [gaussians(n) for n in (8, 3, 11)]
    g = torch.Generator().manual_seed(4)
    slope, curvature = torch.randn(3, *SHAPE, generator=g), 0.1 + torch.rand(3, *SHAPE, generator=g)
    options = {"iterations": 4, "weights_only": weights_only}
    together = {name: torch.cat([own[name] for own in sets]) for name in sets[0]}
    moved = gauss_newton_step(together, slope, curvature, counts=(8, 3, 11), **options)
    each = [gauss_newton_step(own, slope[k], curvature[k], **options) for k, own in enumerate(sets)]
    for name in together:
        torch.testing.assert_close(moved[name], torch.cat([own[name] for own in each]), atol=1e-5, rtol=1e-4)
