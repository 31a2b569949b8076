import numpy as np
import pytest

from napari_emgauss.registration import SlicePixels, register_slices
from napari_emgauss.registration.slices import MIN_PIXELS, compare_slices
from napari_emgauss.slices import SliceProfile
from napari_emgauss.slices.motion import motion_error


@pytest.mark.parametrize("k", range(3))
def test_slices_find_where_they_were(acquired, k):
    stack, true = acquired.stacks[k], acquired.motion[k]
    fit = register_slices(acquired.truth, SlicePixels(stack, SliceProfile()), np.zeros_like(true), iterations=25)
    large = (stack.inside.sum((1, 2)) > 300).astype(float)
    degrees, mm = motion_error(fit.motion, true, stack.pivots, weights=large)
    assert degrees < 0.5
    assert mm < 0.1
    assert np.rad2deg(np.linalg.norm(true[large > 0, :3], axis=1)).max() > 1.5
    assert np.abs(fit.gains[large > 0] - 1).max() < 0.03
    assert fit.correlations[large > 0].min() > 0.95


def test_a_brighter_slice_has_its_gain(acquired):
    stack = acquired.stacks[0].scaled(3.0)
    fit = compare_slices(acquired.truth, SlicePixels(stack, SliceProfile()), acquired.motion[0])
    assert np.median(fit.gains[stack.used]) == pytest.approx(3.0, rel=0.02)


def test_a_slice_with_hardly_a_pixel_stays(acquired):
    stack = acquired.stacks[0]
    mask = stack.inside.copy()
    mask[stack.used[5]] = False
    mask[stack.used[5]].flat[1000 : 1000 + MIN_PIXELS - 1] = True
    pixels = SlicePixels(stack, SliceProfile(), mask)
    fit = register_slices(acquired.truth, pixels, np.zeros_like(acquired.motion[0]), iterations=2)
    assert np.allclose(fit.motion[stack.used[5]], 0)
    assert np.isnan(fit.correlations[stack.used[5]])
