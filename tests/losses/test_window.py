import pytest
import torch

from napari_emgauss.losses.window import WINDOW, _band, blurred


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (17, 5), (24, 31)])
def test_products_with_bands_are_the_convolution(shape):
    maps = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    down, across = (_band(side, maps.dtype, maps.device) for side in shape)
    torch.testing.assert_close(down @ maps @ across, blurred(maps))


def test_a_band_that_was_made_while_drawing_can_be_differentiated_through():
    with torch.inference_mode():
        band = _band(9, torch.float32, torch.device("cpu"))
    image = torch.ones(9, 9, requires_grad=True)
    (band @ image @ band).sum().backward()
    assert image.grad is not None
    assert float(image.grad[4, 4]) == pytest.approx(sum(WINDOW[1:-1]) ** 2, rel=0.1)
