"""Training examples from rows of sections."""

import numpy as np
import pytest
import torch

from napari_emgauss.interpolation.lateral import (
    LateralConfig,
)
from napari_emgauss.interpolation.lateral.samples import draw_batch


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_examples_show_rows_of_the_stack_at_the_phase_they_claim(reach):
    # A ramp along y and another along x: the value of a row tells where it is.
    y, _ = np.meshgrid(np.arange(40.0), np.arange(40.0), indexing="ij")
    ramp = np.stack([y, y.T]).astype(np.float32)
    config = LateralConfig(steps=1, reach=reach, batch_rows=50)
    for seed in range(8):
        batch = draw_batch(ramp, (3.0, 6.7), config=config, rng=np.random.default_rng(seed))
        below, above = batch.rows[:, reach - 1, None], batch.rows[:, reach, None]
        torch.testing.assert_close(torch.lerp(below, above, batch.phases[..., None]), batch.hidden)
        assert batch.gap_px.min() >= 3
        assert batch.gap_px.max() <= 7
        assert ((batch.phases > 0) & (batch.phases < 1)).all()
