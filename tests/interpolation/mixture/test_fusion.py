"""Mixtures of predictions."""

import gc
import weakref

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.errors import SectionRangeError
from napari_emgauss.interpolation.mixture import FusedInterpolator, Learned, Stack
from napari_emgauss.interpolation.mixture.fusion import SHARPENING_PX
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.interpolation.prior import Contrast, PriorInterpolator, load_prior

FACTOR = 5


LATERAL_MEAN = {"straight": 0.5, "aligned": 0.5}


def mixed(sections, trained, shares, **settings):
    return FusedInterpolator(Stack(sections, FACTOR), shares, Learned(lateral=trained), **settings)


def test_an_observed_section_comes_back(sections, trained):
    image = mixed(sections, trained, LATERAL_MEAN).section(3)
    np.testing.assert_array_equal(image, sections[3])


def test_the_image_moves_smoothly_with_z(sections, trained):
    lateral = mixed(sections, trained, LATERAL_MEAN)
    steps = [np.abs(lateral.section(2.5 + h) - lateral.section(2.5)).mean() for h in (1e-3, 1e-2)]
    assert 0 < steps[0] < 0.2 * steps[1]
    assert steps[1] < 0.02 * sections.std() * FACTOR


def test_a_mixture_of_one_part_is_that_part(sections, trained):
    fused = mixed(sections, trained, {"flow": 1.0})
    np.testing.assert_allclose(fused.section(1.25), Interpolator(sections, "flow").section(1.25), atol=1e-6)


def test_what_was_found_on_sections_goes_with_the_mixture_and_waits_for_no_garbage_collector(sections, trained):
    own, learned = sections.copy(), Learned(prior=load_prior(), lateral=trained)
    even = dict.fromkeys(learned.candidates, 1 / len(learned.candidates))
    fused = FusedInterpolator(Stack(own, FACTOR), even, learned)
    fused.section(1.25)
    left = weakref.ref(own)
    gc.disable()
    try:
        del fused, own
        assert left() is None
    finally:
        gc.enable()


def test_shares_that_are_no_mixture_are_refused(sections, trained):
    with pytest.raises(ValueError, match="sum to 1"):
        mixed(sections, trained, {})
    with pytest.raises(ValueError, match="nonsense"):
        mixed(sections, trained, {"nonsense": 1.0})
    with pytest.raises(SectionRangeError, match=r"0\.\.6"):
        mixed(sections, trained, LATERAL_MEAN).section(6.5)
    with pytest.raises(ValueError, match="straight need a network"):
        mixed(sections, None, {"straight": 1.0})
    with pytest.raises(ValueError, match="prior need a network"):
        mixed(sections, trained, {"prior": 0.5, "flow": 0.5})


def test_the_prior_is_told_where_sections_are_and_how_the_whole_stack_looks(sections):
    z, contrast = [0.0, 1.0, 3.0, 4.0], Contrast(0.4, 0.3)
    stack = Stack(sections[[0, 1, 3, 4]], FACTOR, z, contrast)
    fused = FusedInterpolator(stack, {"prior": 1.0}, Learned(prior=load_prior(), views=2))
    alone = PriorInterpolator(stack.sections, FACTOR, z=z, contrast=contrast, views=2)
    np.testing.assert_allclose(fused.section(1.5), alone.section(1.5), atol=1e-6)


def test_every_other_section_keeps_its_place_and_the_contrast_of_all(sections):
    stack = Stack(sections, FACTOR)
    odd = stack.every_other(1)
    np.testing.assert_array_equal(odd.sections, sections[1::2])
    assert list(odd.z) == [1.0, 3.0, 5.0]
    assert odd.contrast == Contrast.of(sections)
    assert list(Stack(sections[:3], FACTOR, [0, 2, 5]).every_other(0).z) == [0, 5]


def test_detail_can_be_the_lateral_part_alone(sections, trained):
    shares = {"straight": 0.5, "linear": 0.5}
    whole = mixed(sections, trained, shares).section(2.4)
    straight = mixed(sections, trained, {"straight": 1.0}).section(2.4)
    learned = mixed(sections, trained, shares, learned_below_px=2.0).section(2.4)
    expected = gaussian_filter(whole, 2.0) + straight - gaussian_filter(straight, 2.0)
    np.testing.assert_allclose(learned, expected, atol=1e-5)
    unlearned = [mixed(sections, None, {"linear": 1.0}, learned_below_px=px).section(2.4) for px in (0.0, 2.0)]
    np.testing.assert_array_equal(*unlearned)


def test_sharpening_adds_detail_of_the_lateral_part_only(sections, trained):
    shares = {"straight": 0.5, "linear": 0.5}
    plain, sharp = (mixed(sections, trained, shares, sharpening=a).section(2.4) for a in (0.0, 1.0))
    straight = mixed(sections, trained, {"straight": 1.0}).section(2.4)
    np.testing.assert_allclose(sharp - plain, 0.5 * (straight - gaussian_filter(straight, SHARPENING_PX)), atol=1e-5)
    unlearned = [mixed(sections, None, {"linear": 1.0}, sharpening=a).section(2.4) for a in (0.0, 1.0)]
    np.testing.assert_array_equal(*unlearned)
