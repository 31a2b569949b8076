"""The network along rows."""

import torch

from napari_emgauss.interpolation.lateral import (
    LateralConfig,
)
from napari_emgauss.interpolation.lateral.rows import RowNetwork

QUICK = LateralConfig(
    steps=300, channels=16, dilations=(1, 2, 4), coefficients=6, batch_rows=24, window_px=64, evidence_sections=4
)


def test_an_untrained_residual_does_not_depend_on_brightness():
    network = RowNetwork(QUICK, torch.Generator().manual_seed(0))
    rows = torch.rand((2, 4, 20), generator=torch.Generator().manual_seed(0))
    gap, phases = torch.tensor([5.0, 5.0]), torch.tensor([[0.3], [0.6]])
    torch.testing.assert_close(network(rows + 3, gap, phases), network(rows, gap, phases) + 3, atol=1e-5, rtol=0)
