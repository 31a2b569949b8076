"""Views of a section."""

import numpy as np
import pytest
import torch

from napari_emgauss.errors import ConfigError
from napari_emgauss.forward import MlpField, SectionModel, View, draw
from napari_emgauss.forward.fields import Deformed
from napari_emgauss.gaussians import Gaussians


@pytest.mark.parametrize("mode", ["sum", "alpha"])
@pytest.mark.parametrize("zoom", [0.25, 0.5, 2.0, 3.0])
def test_zooming_keeps_positions_and_brightness(mode, zoom):
    values = {
        "mean_px": torch.tensor([[17.0, 22.0]]),
        "log_scale": torch.tensor([[1.2, 0.9]]),
        "angle_rad": torch.zeros(1),
        "opacity_logit": torch.tensor([-2.0]),
        "intensity": torch.ones(1),
    }
    model = SectionModel(Gaussians(values), MlpField((0.0, 1.0), (36, 44), depth=2, width=4), (36, 44), mode=mode)
    full, image = model.render(0.0), model.render(0.0, View((0, 36, 0, 44), zoom))
    assert image.shape == (round(36 * zoom), round(44 * zoom))
    y, x = torch.meshgrid(*(torch.arange(n) for n in image.shape), indexing="ij")
    centre = [float((image * axis).sum() / image.sum()) for axis in (y, x)]
    assert [(c + 0.5) / zoom - 0.5 for c in centre] == pytest.approx([17, 22], abs=0.1 * max(1, 0.5 / zoom))
    if mode == "sum":
        assert float(image.mean()) == pytest.approx(float(full.mean()), rel=0.03)


@pytest.mark.parametrize("zoom", [0.7, 1.0, 2.5])
@pytest.mark.parametrize("region", [(8.25, 30.75, 10.5, 40.0), (3.0, 33.4, 7.9, 37.1)])
def test_a_view_may_start_between_pixels(region, zoom):
    splats = Deformed(
        torch.tensor([[19.3, 24.8]]),
        torch.tensor([[0.6, 0.2]]),
        torch.tensor([0.5]),
        torch.ones(1),
        torch.ones(1),
    )
    image = draw(splats, View(region, zoom), mode="sum", background=0.0)
    y, x = torch.meshgrid(*(torch.arange(n) for n in image.shape), indexing="ij")
    centre = [float((image * axis).sum() / image.sum()) for axis in (y, x)]
    found = [first - 0.5 + (c + 0.5) / zoom for first, c in zip((region[0], region[2]), centre, strict=True)]
    assert found == pytest.approx([19.3, 24.8], abs=0.03)


def test_zooming_out_does_not_alias():
    """Stripes finer than an output pixel become grey, at whatever phase they are sampled."""
    rows = torch.arange(-12, 60).repeat_interleave(48).float()
    columns = torch.arange(-2, 46).repeat(72).float()
    n = len(rows)
    stripes = Deformed(
        torch.stack([rows, columns], -1),
        torch.full((n, 2), np.log(0.5)),
        torch.zeros(n),
        torch.ones(n),
        (rows % 3 == 0).float(),
    )
    full = draw(stripes, View((0, 48, 0, 44)), mode="sum", background=0.0)
    small = draw(stripes, View((0, 48, 0, 44), 0.25), mode="sum", background=0.0)
    assert full.std() > 0.3 * full.mean()
    assert small[1:-1, 3:-3] == pytest.approx(torch.full((10, 5), float(full[:, 8:-8].mean())), rel=0.06)


def test_no_gaussians_draw_the_background():
    none = Deformed(torch.empty(0, 2), torch.empty(0, 2), torch.empty(0), torch.empty(0), torch.empty(0))
    for mode in ("sum", "alpha"):
        image = draw(none, View((0, 5, 0, 4)), mode=mode, background=0.25)
        assert image == pytest.approx(torch.full((5, 4), 0.25))


@pytest.mark.parametrize(
    ("region", "zoom"), [((5, 5, 0, 4), 1), ((0, 4, 9, 3), 1), ((0, 4, 0, 4), 0), ((0, 4, 0, 4), np.inf)]
)
def test_impossible_views_are_refused(region, zoom):
    with pytest.raises(ConfigError):
        View(region, zoom)
