"""Mixtures of predictions."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_emgauss.errors import SectionRangeError
from napari_emgauss.interpolation.lateral import (
    FusedInterpolator,
)
from napari_emgauss.interpolation.lateral.fusion import SHARPENING_PX
from napari_emgauss.interpolation.plain import Interpolator

FACTOR = 5


LATERAL_MEAN = {"straight": 0.5, "aligned": 0.5}


def test_an_observed_section_comes_back(sections, trained):
    image = FusedInterpolator(trained, sections, LATERAL_MEAN).section(3)
    np.testing.assert_array_equal(image, sections[3])


def test_the_image_moves_smoothly_with_z(sections, trained):
    lateral = FusedInterpolator(trained, sections, LATERAL_MEAN)
    steps = [np.abs(lateral.section(2.5 + h) - lateral.section(2.5)).mean() for h in (1e-3, 1e-2)]
    assert 0 < steps[0] < 0.2 * steps[1]
    assert steps[1] < 0.02 * sections.std() * FACTOR


def test_a_mixture_of_one_part_is_that_part(sections, trained):
    fused = FusedInterpolator(trained, sections, {"flow": 1.0})
    np.testing.assert_allclose(fused.section(1.25), Interpolator(sections, "flow").section(1.25), atol=1e-6)


def test_shares_that_are_no_mixture_are_refused(sections, trained):
    with pytest.raises(ValueError, match="sum to 1"):
        FusedInterpolator(trained, sections, {})
    with pytest.raises(ValueError, match="nonsense"):
        FusedInterpolator(trained, sections, {"nonsense": 1.0})
    with pytest.raises(SectionRangeError, match=r"0\.\.6"):
        FusedInterpolator(trained, sections, LATERAL_MEAN).section(6.5)


def test_sharpening_adds_detail_of_the_lateral_part_only(sections, trained):
    shares = {"straight": 0.5, "linear": 0.5}
    plain, sharp = (FusedInterpolator(trained, sections, shares, sharpening=a).section(2.4) for a in (0.0, 1.0))
    straight = FusedInterpolator(trained, sections, {"straight": 1.0}).section(2.4)
    np.testing.assert_allclose(sharp - plain, 0.5 * (straight - gaussian_filter(straight, SHARPENING_PX)), atol=1e-5)
    unlearned = [FusedInterpolator(None, sections, {"linear": 1.0}, sharpening=a).section(2.4) for a in (0.0, 1.0)]
    np.testing.assert_array_equal(*unlearned)
