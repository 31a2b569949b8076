import numpy as np
import pytest

from napari_emgauss.registration import SlicePixels
from napari_emgauss.slices import PROFILES
from napari_emgauss.voxels import SliceOperator, mean_of_stacks, scattered


def test_the_mean_of_stacks_is_near_what_they_show(acquired):
    mean = mean_of_stacks(acquired.stacks, acquired.truth.grid)
    inside = acquired.mask
    assert np.corrcoef(mean.values[inside], acquired.truth.values[inside])[0, 1] > 0.6


def test_scattered_pixels_of_one_value_make_that_value(acquired):
    pixels = [SlicePixels(stack, PROFILES["mri"]) for stack in acquired.stacks]
    operator = SliceOperator(acquired.truth.grid, pixels, acquired.motion)
    values = np.full(operator.n_pixels, 7, np.float32)
    volume = scattered(operator, values, np.ones_like(values))
    assert volume.values[acquired.mask] == pytest.approx(7, rel=1e-3)
    assert volume.values[0, 0, 0] == 0
