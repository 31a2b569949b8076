"""Motion between sections twice as far apart."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.interpolation.mixture import FusedInterpolator, Learned, Stack, gather_evidence
from napari_emgauss.interpolation.mixture.fusion import PLAIN, PRIOR
from napari_emgauss.interpolation.mixture.motion import carried_on
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.interpolation.prior import load_prior

FACTOR = 6


def moving(speed_px, *, n=9, side=64):
    """Blobs that move along x by so much from section to section."""
    rng = np.random.default_rng(0)
    texture = gaussian_filter(rng.standard_normal((side, side + n * speed_px), np.float32), 4, mode="wrap")
    return np.stack([texture[:, k * speed_px : k * speed_px + side] for k in range(n)]) / texture.std()


def oblique_sheets(period=24, *, noise=0.03, shape=(49, 64, 64)):
    """Sheets that move by a voxel from plane to plane: by half of their distance in twice the `FACTOR`."""
    z, y, x = np.meshgrid(*map(np.arange, shape), indexing="ij")
    sheets = np.exp(-((np.mod(x + z + 0.3 * y, period) - period / 2) ** 2) / 8)
    return (0.3 + 0.4 * sheets + noise * np.random.default_rng(1).standard_normal(shape)).astype(np.float32)


def mse(image, truth):
    return float(np.mean((image - truth) ** 2))


@pytest.mark.parametrize("left_out", [None, 3])
def test_what_moves_steadily_is_carried_on(left_out):
    sections, z = moving(3), [k for k in range(9) if k != left_out]
    stack = Stack(sections[z], FACTOR, [float(k) for k in z])
    index = z.index(4)
    inside = (slice(8, -8), slice(8, -8))
    predicted, truth = carried_on(stack, index), sections[4]
    assert mse(predicted[inside], truth[inside]) < 0.1 * mse((sections[3] + sections[5])[inside] / 2, truth[inside])


def test_nothing_is_carried_on_to_sections_with_fewer_than_two_on_a_side():
    stack = Stack(moving(1, n=5), FACTOR)
    assert [carried_on(stack, index) is not None for index in range(5)] == [False, False, True, False, False]


def test_flow_keeps_a_share_and_its_detail_where_motion_is_lost_at_twice_the_distance_only(monkeypatch):
    for name, value in (("LARGEST_FACTOR", 2 * FACTOR - 1), ("LEAST_SHARE", 0)):
        monkeypatch.setattr(f"napari_emgauss.interpolation.mixture.evidence.{name}", value)
    truth, learned = oblique_sheets(), Learned(prior=load_prior())
    sections = np.ascontiguousarray(truth[::FACTOR])
    evidence = gather_evidence(Stack(sections, FACTOR), learned)
    assert max(evidence.psnr_db, key=evidence.psnr_db.get) == PRIOR
    assert sum(evidence.shares[name] for name in PLAIN if "flow" in name) > 0.4
    assert evidence.learned_below_px == 0
    fused = FusedInterpolator(Stack(sections, FACTOR), evidence.shares, learned)
    hidden = [z for z in range(len(truth)) if z % FACTOR]

    def error(section):
        return np.mean([mse(section(z / FACTOR), truth[z]) for z in hidden])

    best_plain = min(error(Interpolator(sections, name).section) for name in (*PLAIN, "flow+blur1.0"))
    assert 10 * np.log10(error(fused.section) / best_plain) < 0.05
