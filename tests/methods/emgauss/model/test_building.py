import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.methods.emgauss import preset
from napari_emgauss.methods.emgauss.config import AnchoredModelConfig
from napari_emgauss.methods.emgauss.model.building import build_model, motion_grid_shape, motion_grids


@pytest.fixture(scope="module")
def texture():
    image = gaussian_filter(np.random.default_rng(0).standard_normal((64, 72)), 3)
    return (0.5 + 0.15 * image / image.std()).astype(np.float32)


def test_motion_starts_at_the_shift_between_the_sections(texture):
    big = np.pad(texture, 8, mode="reflect")
    sections = np.stack([big[8:-8, 8:-8], big[6:-10, 11:-5]])  # the second shows everything 2 px lower, 3 px more left
    up, down = (grid.numpy() for grid in motion_grids(AnchoredModelConfig(), sections))
    assert np.median(up[0], axis=(1, 2)) == pytest.approx([2, -3], abs=0.4)
    assert np.median(down[0], axis=(1, 2)) == pytest.approx([-2, 3], abs=0.4)


def test_parts_of_a_gap_share_its_flow(texture):
    big = np.pad(texture, 8, mode="reflect")
    sections = np.stack([big[8 - k : -8 - k or None, 8:-8] for k in (0, 2, 4)])
    flow = np.zeros((*texture.shape, 2), np.float16)
    flow[..., 0] = 4
    up, down = (grid.numpy() for grid in motion_grids(AnchoredModelConfig(), sections, np.stack([[flow, -flow]])))
    for gap in (0, 1):
        assert np.median(up[gap], axis=(1, 2)) == pytest.approx([2, 0], abs=0.1)
        assert np.median(down[gap], axis=(1, 2)) == pytest.approx([-2, 0], abs=0.1)


def test_unrelated_sections_are_not_moved():
    rng = np.random.default_rng(0)
    sections = np.stack([gaussian_filter(rng.standard_normal((64, 64)), 2) * 3 + 0.5 for _ in range(2)])
    up, _ = motion_grids(AnchoredModelConfig(), sections.astype(np.float32))
    assert np.median(np.abs(up.numpy())) < 0.5


def test_the_motion_grid_spans_both_sides_at_its_distance():
    assert motion_grid_shape(AnchoredModelConfig(motion_grid_px=4), (48, 40)) == (13, 11)
    assert motion_grid_shape(AnchoredModelConfig(motion_grid_px=1000), (48, 40)) == (2, 2)


@pytest.mark.parametrize("field", ["anchored", "mlp"])
def test_a_block_starts_within_the_cap(field):
    small = {"mlp_width": 8, "mlp_depth": 2} if field == "mlp" else {}
    config = preset("balanced", field=field, max_gaussians=400, **small)
    sections = np.random.default_rng(0).random((3, 48, 40), dtype=np.float32)
    assert len(build_model(config, [0.0, 1.0, 2.0], sections, np.random.default_rng(0)).gaussians) <= 400
