"""Grids of Gaussians to start from."""

import numpy as np
import pytest

from napari_emgauss.gaussians import (
    anchored_grid,
    canonical_grid,
    conics_from,
    spacing_for,
)
from napari_emgauss.gaussians.initialise import density_for, dithered
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


def test_anchored_gaussians_are_denser_and_smaller_where_there_is_contrast():
    rng = np.random.default_rng(0)
    section = np.full((90, 90), 0.5, np.float32)
    section[:, 45:] += 0.3 * rng.standard_normal((90, 45)).astype(np.float32)
    values, _ = anchored_grid(section[None], spacing_px=3.0, background=0.5, rng=rng)
    x, scale = values["mean_px"][:, 1].numpy(), values["log_scale"][:, 0].numpy()
    assert ((x > 50) & (x < 85)).sum() > 1.5 * ((x > 4) & (x < 39)).sum()
    assert scale[x > 50].mean() < scale[x < 39].mean()


@pytest.mark.parametrize("density", [0.0625, 0.1, 0.64, 1.0])
def test_dithering_keeps_the_density_everywhere(density):
    chosen = dithered(np.full((80, 60), density))
    assert len(np.unique(chosen, axis=0)) == len(chosen)
    assert len(chosen) == pytest.approx(density * 4800, rel=0.1)
    quarters = [((chosen // (40, 30)) == (i, j)).all(1).sum() for i in (0, 1) for j in (0, 1)]
    assert min(quarters) > 0.75 * density * 1200


def test_a_density_is_the_spacings_in_the_mean_and_never_more_than_one_a_pixel():
    section = np.random.default_rng(1).random((50, 40), np.float32)
    section[:20] = 0.5
    assert density_for(section, 4.0).mean() == pytest.approx(1 / 16)
    dense = density_for(section, 1.1)
    assert dense.max() == 1.0
    assert dense.min() > 0.1
