"""Plain interpolation between observed sections."""

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.errors import ConfigError, SectionRangeError, VolumeError
from napari_emgauss.interpolation.plain import Interpolator
from napari_emgauss.resampling.plain import PlainInterpolation


def test_changing_sections_that_were_not_seen_changes_no_interpolation(long_stack):
    spoilt = np.array(long_stack.data)
    spoilt[[2, 4, 6]] = 0
    volume, observed = eg.Volume(spoilt, long_stack.voxel_size_nm), [0, 1, 3, 5, 7, 8]
    for name in ("nearest", "linear", "cubic", "flow+blur"):
        for z in (1.5, 2, 4.2, 7.5):
            clean = PlainInterpolation(long_stack, observed, name)(z)
            np.testing.assert_array_equal(PlainInterpolation(volume, observed, name)(z), clean)


def test_observed_sections_are_reproduced_and_gaps_mapped_by_their_width(long_stack):
    plain = PlainInterpolation(long_stack, [0, 2, 3, 8])
    for index in (0, 2, 3, 8):
        np.testing.assert_array_equal(plain(index), long_stack.section(index))
    expected = 0.8 * long_stack.as_float()[3] + 0.2 * long_stack.as_float()[8]
    np.testing.assert_allclose(plain(4), expected, atol=1e-3)


def test_all_sections_observed_is_plain_interpolation(long_stack):
    for name in ("cubic", "flow"):
        np.testing.assert_array_equal(
            PlainInterpolation(long_stack, range(9), name)(3.3), Interpolator(long_stack, name)(3.3)
        )


@pytest.mark.parametrize("name", ["nearest", "linear", "cubic+blur", "flow+blur1.0"])
@pytest.mark.parametrize(("axis", "index"), [(1, 0), (1, 20), (2, 39)])
def test_a_cut_is_what_the_sections_show_there(long_stack, name, axis, index):
    plain, zs = PlainInterpolation(long_stack, [0, 1, 3, 5, 7, 8], name), np.linspace(0, 8, 19)
    sections = np.stack([plain(z) for z in zs])
    np.testing.assert_allclose(plain.cut(zs, axis=axis, index=index), sections.take(index, axis), atol=1e-2)


def test_cuts_and_sections_outside_are_refused(long_stack):
    plain = PlainInterpolation(long_stack, [1, 3, 5])
    with pytest.raises(SectionRangeError, match=r"1\.\.5, got 0"):
        plain(0)
    for axis, index in ((0, 0), (1, 48), (2, -1)):
        with pytest.raises(ConfigError, match="axis"):
            plain.cut([2.0], axis=axis, index=index)
    for observed in ([], [1], [3, 1], [0, 9], [1, 1]):
        with pytest.raises(VolumeError, match="observed"):
            PlainInterpolation(long_stack, observed)
