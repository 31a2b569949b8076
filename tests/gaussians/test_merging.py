"""Neighbouring Gaussians become one for all whose centres share a cell."""

import pytest
import torch

from napari_emgauss.gaussians import conics_from
from napari_emgauss.gaussians.merging import merge_in_cells
from napari_emgauss.render import splat


def draw(values, shape):
    conics, _ = conics_from(values["log_scale"], values["angle_rad"])
    return splat(values["mean_px"], conics, values["intensity"], shape).double()


@pytest.mark.parametrize("count", [1, 7])
def test_merging_keeps_integral_centre_and_spread(count):
    generator = torch.Generator().manual_seed(2)
    values = {
        "mean_px": 40 + 4 * torch.rand((count, 2), generator=generator),
        "log_scale": torch.rand((count, 2), generator=generator),
        "angle_rad": 3 * torch.rand(count, generator=generator),
        "intensity": 1 + torch.rand(count, generator=generator),
    }
    one = merge_in_cells(values, 100, (80, 80))
    assert len(one["intensity"]) == 1
    before, after = draw(values, (80, 80)), draw(one, (80, 80))
    y, x = torch.meshgrid(torch.arange(80.0), torch.arange(80.0), indexing="ij")
    for moment in (torch.ones_like(y), y, x, (y - 42) ** 2, (x - 42) ** 2, (y - 42) * (x - 42)):
        scale = float((before * moment.abs()).sum())
        assert float((after * moment).sum()) == pytest.approx(float((before * moment).sum()), abs=0.02 * scale)


def test_gaussians_far_from_the_tile_are_left_out():
    """A model may come from anywhere: positions must not choose how much memory is taken."""
    far = torch.tensor([[1e30, 5.0], [-1e9, 5.0], [5.0, 3e4], [20.0, 30.0]])
    values = {"mean_px": far, "log_scale": torch.zeros(4, 2), "angle_rad": torch.zeros(4), "intensity": torch.ones(4)}
    assert torch.allclose(merge_in_cells(values, 10, (80, 80))["mean_px"], far[3:])
