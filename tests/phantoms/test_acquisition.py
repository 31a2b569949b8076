from functools import cache

import numpy as np
import pytest

from napari_emgauss.errors import ConfigError
from napari_emgauss.phantoms import Acquisition, brain_phantom, simulate_stacks
from napari_emgauss.slices import PROFILES, WorldGrid, WorldVolume
from napari_emgauss.slices.motion import apply

CENTRE, SIGMA = np.array([2.3, -1.6, 0.7]), 2.5
STILL = {"motion_deg": 0.0, "motion_mm": 0.0, "noise": 0.0, "corrupted": 0.0}


@cache
def blob():
    """One isotropic Gaussian, whose slices are known in closed form."""
    grid = WorldGrid.around(np.zeros((1, 3)), 1.0, margin_mm=15)
    squares = ((grid.positions() - CENTRE) ** 2).sum(-1)
    values = np.exp(-0.5 * squares / SIGMA**2).astype(np.float32)
    return WorldVolume(values, grid.affine), squares < 9**2


def closed_form(stack, positions, sigma_psf):
    """The blob after blurring by the profile, at positions in space where the profile lies along the stack's axes."""
    variances = SIGMA**2 + sigma_psf**2
    along = (positions - CENTRE) @ stack.axes.T
    return np.sqrt(SIGMA**6 / variances.prod()) * np.exp(-0.5 * (along**2 / variances).sum(-1))


@pytest.mark.parametrize("tilt", [0.0, 20.0])
def test_a_slice_of_a_gaussian_is_its_closed_form(tilt):
    truth, mask = blob()
    sim = simulate_stacks(truth, mask, Acquisition(tilt_deg=tilt, **STILL))
    for stack in sim.stacks:
        at = stack.world(np.stack(np.meshgrid(*map(np.arange, stack.images.shape), indexing="ij"), -1))
        expected = closed_form(stack, at, PROFILES["mri"].sigma_mm(stack.spacing_mm, 4.0))
        assert np.abs(stack.images - expected).max() < 4e-3


def test_a_moving_slice_shows_what_is_where_it_went():
    truth, mask = blob()
    sim = simulate_stacks(truth, mask, Acquisition(**{**STILL, "motion_mm": 2.0, "motion_deg": 0.0}), seed=3)
    for stack, motion in zip(sim.stacks, sim.motion, strict=True):
        at = stack.world(np.stack(np.meshgrid(*map(np.arange, stack.images.shape), indexing="ij"), -1))
        expected = closed_form(stack, apply(motion, stack.pivots, at), PROFILES["mri"].sigma_mm(stack.spacing_mm, 4.0))
        assert np.abs(stack.images - expected).max() < 4e-3


@cache
def acquired(seed=0):
    truth, mask = brain_phantom((24, 28, 24))
    return simulate_stacks(truth, mask, Acquisition(thickness_mm=2.0, corrupted=0.2), seed=seed)


def test_a_coil_changes_the_brightness_of_each_stack_smoothly_and_nothing_else():
    truth, mask = brain_phantom((24, 28, 24))
    acquisitions = (Acquisition(thickness_mm=2.0, noise=0.0, corrupted=0.0, bias=bias) for bias in (0, 0.2))
    even, uneven = (simulate_stacks(truth, mask, acquisition) for acquisition in acquisitions)
    for one, other in zip(even.stacks, uneven.stacks, strict=True):
        logarithm = np.log(other.images[one.inside] / one.images[one.inside])
        assert logarithm.std() == pytest.approx(0.2, rel=1e-3)
        assert logarithm.mean() == pytest.approx(0, abs=1e-3)
    np.testing.assert_array_equal(np.concatenate(even.motion), np.concatenate(uneven.motion))


def test_motion_is_as_large_as_asked_for():
    motion = np.concatenate(acquired().motion)
    assert np.rad2deg(np.sqrt((motion[:, :3] ** 2).sum(1).mean())) == pytest.approx(3.0)


def test_motion_is_smooth_in_the_order_of_acquisition_alone():
    stack, motion = acquired().stacks[0], acquired().motion[0][:, :3]
    in_order = np.abs(np.diff(motion[stack.acquisition_order], axis=0)).mean()
    assert in_order < 0.6 * np.abs(np.diff(motion, axis=0)).mean()


def test_the_mask_of_a_stack_covers_what_is_seen_of_the_object():
    for stack in acquired().stacks:
        assert stack.images[stack.inside].mean() > 3 * np.abs(stack.images[~stack.inside]).mean()


def test_a_share_of_the_slices_is_damaged():
    n = sum(len(stack.used) for stack in acquired().stacks)
    assert sum(int(c.sum()) for c in acquired().corrupted) == round(0.2 * n)


def test_the_same_seed_gives_the_same_stacks():
    again = simulate_stacks(acquired().truth, acquired().mask, Acquisition(thickness_mm=2.0, corrupted=0.2), seed=0)
    assert all((a.images == b.images).all() for a, b in zip(again.stacks, acquired().stacks, strict=True))
    other = acquired(seed=1)
    assert not np.array_equal(other.motion[0][:, 0], acquired().motion[0][:, 0])


@pytest.mark.misuse
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"thickness_mm": 0.0}, "thickness_mm must be positive"),
        ({"noise": -1.0}, "noise must not be negative"),
        ({"corrupted": 0.9}, "corrupted must be a share"),
        ({"orientations": ("axial", "diagonal")}, "orientations must be of"),
    ],
)
def test_an_impossible_acquisition_is_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        Acquisition(**wrong)
