"""The images that are compared by eye are those that are scored."""

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.errors import VolumeError
from napari_emgauss.evaluation import ComparedImages, SideBySide
from napari_emgauss.resampling.plain import PlainInterpolation


@pytest.fixture(scope="module")
def trained_in_part(stack):
    return eg.reconstruct(stack, preset="fast", hold_out=(2,), adapt_spacing=False)


@pytest.fixture(scope="module", params=["linear", "flow+blur"])
def pair(request, stack, trained_in_part):
    return SideBySide(trained_in_part, stack, request.param)


def test_sections_are_what_is_rendered_interpolated_and_observed(pair, stack, trained_in_part):
    images = pair.section(2.0)
    np.testing.assert_array_equal(images.reconstruction, trained_in_part.render(2.0))
    plain = PlainInterpolation(stack, (0, 1, 3, 4), pair.plain.baseline)
    np.testing.assert_array_equal(images.interpolation, plain(2.0))
    np.testing.assert_array_equal(images.stack, stack.section(2))


@pytest.mark.parametrize(("axis", "index"), [(1, 11), (2, 39)])
def test_cuts_are_isotropic_and_agree_with_the_sections(pair, axis, index):
    images, sections = pair.cut(axis, index), [pair.section(z) for z in pair.depths]
    assert images is not None
    assert len(pair.depths) == 25
    assert pair.depth_step_nm == 8
    assert pair.depths[6] == pytest.approx(1)
    for name in ("reconstruction", "interpolation", "stack"):
        expected = np.stack([getattr(s, name) for s in sections]).take(index, axis)
        np.testing.assert_allclose(getattr(images, name), expected, atol=0.7)  # rounded to the stack's bytes


def test_a_cut_stops_when_told(pair):
    assert pair.cut(1, 5, stop=lambda: True) is None


def test_grey_images_share_one_contrast_and_agreement_is_mid_grey(pair):
    low, high = pair.contrast
    images = pair.section(1.5)
    grey = pair.grey(images)
    for name in ("reconstruction", "interpolation", "stack"):
        expected = np.clip((getattr(images, name) - low) / (high - low), 0, 1) * 255
        np.testing.assert_allclose(getattr(grey, name), expected, atol=0.51)
    same = np.abs(images.reconstruction - images.interpolation) < 0.1
    assert same.any()
    assert np.all(np.abs(grey.difference[same].astype(int) - 128) <= 1)


def test_large_images_come_with_an_overview_of_equal_mean(pair):
    rng = np.random.default_rng(0)
    low, high = pair.contrast
    large = ComparedImages(*rng.uniform(low, high, (3, 1500, 2049)).astype(np.float32))
    grey = pair.grey(large)
    assert grey.overview is not None
    assert grey.overview.stack.shape == (500, 683)
    assert grey.overview.stack.mean() == pytest.approx(grey.stack.mean(), abs=0.5)
    assert grey.overview.stack.std() < grey.stack.std() / 2
    assert pair.grey(pair.section(1.0)).overview is None


def test_another_stack_is_refused(isotropic, trained_in_part):
    with pytest.raises(VolumeError, match="this one has"):
        SideBySide(trained_in_part, isotropic)
