"""Places of a stack that are studied."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import napari_emgauss as eg
from napari_emgauss.interpolation.mixture import gather_evidence
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.study import places


def setup_of(volume, **settings):
    return prepare(volume, device="cpu", **settings)


def constant(*shape):
    return setup_of(eg.Volume(np.broadcast_to(np.arange(shape[2], dtype=np.uint8), shape), (48, 8, 8)), leave_out=(1,))


@pytest.fixture
def small_windows(monkeypatch):
    monkeypatch.setattr(places, "STUDIED_SECTIONS", 32)
    monkeypatch.setattr(places, "STUDIED_PX", 20)


@pytest.mark.parametrize("shape", [(9, 16, 16), (33, 20, 16)])
def test_a_stack_that_fits_is_studied_whole(shape, small_windows):
    setup = constant(*shape)
    assert places.studied_places(setup) == [(setup.observed, (0, shape[1], 0, shape[2]))]
    assert places.studied_stacks(setup)[0].sections.shape == places.studied_shape(setup)


@pytest.mark.parametrize("shape", [(34, 16, 16), (9, 16, 64), (90, 50, 16), (200, 80, 96)])
def test_a_larger_one_is_studied_at_several_places_that_cost_no_more(shape, small_windows):
    setup = constant(*shape)
    found = places.studied_places(setup)
    n_px = [len(indices) * (y1 - y0) * (x1 - x0) for indices, (y0, y1, x0, x1) in found]
    least = places.PLACES * places.LEAST_RUN * math.prod(places.studied_shape(setup)[1:])
    assert sum(n_px) <= max(math.prod(places.studied_shape(setup)), least)
    for indices, _ in found:
        first = setup.observed.index(indices[0])
        assert setup.observed[first : first + len(indices)] == indices
    starts = np.array([(indices[0], y0, x0) for indices, (y0, _, x0, _) in found])
    ends = np.array([(indices[-1] + 1, y1, x1) for indices, (_, y1, _, x1) in found])
    assert (starts >= 0).all()
    assert (ends <= shape).all()
    for axis, (whole, window) in enumerate(zip((len(setup.observed), *shape[1:]), (32, 20, 20), strict=True)):
        assert len(set(starts[:, axis])) == (places.PLACES if whole > window else 1) or axis == 0


def test_tissue_that_differs_from_left_to_right_is_judged_by_both_sides(monkeypatch):
    rng = np.random.default_rng(0)
    tissue = gaussian_filter(rng.normal(size=(9, 32, 160)), (3, 4, 4))
    noisy = tissue / tissue.std() + rng.normal(size=tissue.shape) * (np.arange(160) >= 104)

    def psnr(columns=slice(None)):
        setup = setup_of(eg.Volume(noisy[..., columns].astype(np.float32), (48, 8, 8)))
        return gather_evidence(places.studied_stacks(setup)).psnr_db["fused"]

    whole, left, middle, right = psnr(), psnr(slice(0, 40)), psnr(slice(60, 100)), psnr(slice(120, 160))
    monkeypatch.setattr(places, "STUDIED_PX", 40)
    found = psnr()
    assert right < found < left
    assert abs(found - whole) < 1 < min(abs(middle - whole), abs(left - whole), abs(right - whole))
