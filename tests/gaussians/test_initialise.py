"""Grids of Gaussians to start from."""

import numpy as np
import pytest

from napari_emgauss.gaussians import (
    anchored_grid,
    canonical_grid,
    conics_from,
    spacing_for,
)
from napari_emgauss.render import splat


@pytest.mark.parametrize("anchored", [True, False])
@pytest.mark.parametrize(("shape", "cap"), [((48, 40), 60), ((48, 40), 500), ((300, 17), 200), ((64, 64), 10**6)])
def test_a_grid_is_widened_until_it_respects_the_cap(anchored, shape, cap):
    spacing_px, rng = spacing_for(shape, 3.0, anchored=anchored, cap=cap), np.random.default_rng(0)
    flat = np.ones((1, *shape), np.float32)
    if anchored:
        values = anchored_grid(flat, spacing_px=spacing_px, background=0.0, rng=rng)[0]
    else:
        values = canonical_grid(flat, spacing_px=spacing_px, opacity=0.1, rng=rng)
    assert len(values["intensity"]) <= cap
    assert spacing_px == 3.0 or len(values["intensity"]) > 0.4 * cap


def test_a_fresh_grid_draws_a_flat_section_flat():
    values, offsets = anchored_grid(
        np.full((2, 40, 30), 0.8, np.float32), spacing_px=2.5, background=0.3, rng=np.random.default_rng(0)
    )
    conics, _ = conics_from(values["log_scale"], values["angle_rad"])
    own = slice(offsets[0], offsets[1])
    image = 0.3 + splat(values["mean_px"][own], conics[own], values["intensity"][own], (40, 30))
    assert image.mean() == pytest.approx(0.8, abs=0.01)
    assert image.std() < 0.08
