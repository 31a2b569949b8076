"""Interpolation by the prior alone."""

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.errors import SectionRangeError
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.metrics import psnr
from napari_emgauss.resampling.learned import LearnedInterpolation


def test_changing_sections_that_were_not_seen_changes_nothing(long_stack):
    spoilt = np.array(long_stack.data)
    spoilt[[2, 4]] = 0
    observed = [0, 1, 3, 5, 6, 7, 8]
    clean = LearnedInterpolation(long_stack, observed)
    spoilt_one = LearnedInterpolation(eg.Volume(spoilt, long_stack.voxel_size_nm), observed)
    for z in (0.5, 2.0, 4.2, 7.5):
        np.testing.assert_array_equal(spoilt_one.section(z), clean.section(z))


def test_observed_sections_are_reproduced_and_others_are_the_whole_stacks(long_stack):
    learned = LearnedInterpolation(long_stack, [0, 2, 3, 8])
    for index in (0, 2, 3, 8):
        np.testing.assert_array_equal(learned.section(index), long_stack.section(index))
    with pytest.raises(SectionRangeError):
        learned.section(8.5)


def test_tissue_is_continued_better_than_by_a_blend(fib25):
    stack = eg.Volume(fib25, (8, 8, 8)).every(6)
    learned, linear = LearnedInterpolation(stack, range(stack.n_sections)), Interpolator(stack)
    truth = fib25[9].astype(np.float32) / 255
    assert psnr(learned.section(1.5) / 255, truth) > psnr(linear.section(1.5) / 255, truth) + 0.5


@pytest.mark.parametrize(("axis", "index"), [(1, 0), (1, 70), (2, 127)])
def test_a_cut_is_what_the_sections_show_there(fib25, axis, index):
    stack = eg.Volume(fib25, (8, 8, 8)).every(6)
    learned, zs = LearnedInterpolation(stack, [0, 1, 3, 6]), np.linspace(0, 6, 13)
    sections = np.stack([learned.section(z) for z in zs])
    off = np.abs(learned.cut(zs, axis=axis, index=index) - sections.take(index, axis))
    assert off.max() < 8
    assert off.mean() < 0.5
