"""Section coordinates, regions and indices are checked before anything is drawn."""

import numpy as np
import pytest

from napari_emgauss.errors import ConfigError, SectionRangeError
from napari_emgauss.resampling.box import box_of, check_region, check_z, check_z_range


@pytest.mark.parametrize(
    "region",
    [
        (-1, 5, 0, 5),
        (0, 99, 0, 5),
        (5, 5, 0, 5),
        (9, 3, 0, 5),
        (0, 5, 0),
        (0.5, 5, 0, 5),
        (0, float("nan"), 0, 5),
    ],
)
def test_regions_outside_the_section_are_refused(region):
    with pytest.raises(ConfigError, match="region"):
        check_region(region, (48, 40))


def test_a_region_is_the_whole_section_by_default_and_made_of_python_numbers():
    assert check_region(None, (48, 40)) == (0, 48, 0, 40)
    checked = check_region(tuple(np.array([1, 48, 2.0, 40])), (48, 40))
    assert checked == (1, 48, 2, 40)
    assert all(type(v) is int for v in checked)


@pytest.mark.parametrize("z_range", [(-1, 3), (0, 5), (3, 1), (2, 2)])
def test_sections_outside_the_stack_are_refused(z_range):
    with pytest.raises(SectionRangeError, match=r"0\.\.4"):
        check_z_range(z_range, (0.0, 4.0))


def test_sections_are_all_by_default():
    assert check_z_range(None, (0.0, 4.0)) == (0, 4)
    assert check_z_range((1, 2.5), (0.0, 4.0)) == (1, 2.5)


@pytest.mark.parametrize("z", [-0.01, 4.01, float("nan"), float("inf")])
def test_depths_outside_the_stack_are_refused_with_the_range_and_the_remedy(ramp, z):
    with pytest.raises(SectionRangeError, match=r"0\.\.4 .*divide by 48"):
        check_z(z, ramp)


def test_what_rounding_put_outside_is_brought_back(ramp):
    assert [check_z(z, ramp) for z in (-1e-9, 2, 4 + 1e-9)] == [0, 2, 4]


@pytest.mark.parametrize("key", [25, (0, 0, 0, 0), (slice(None), 48), [1, 2], "a"])
def test_impossible_indices_are_refused(key):
    with pytest.raises(IndexError):
        box_of(key, (25, 48, 40))


def test_indices_along_every_axis_and_those_that_drop_it():
    assert box_of((..., 5), (25, 48, 40)) == ((range(25), range(48), range(5, 6)), (False, False, True))
    assert box_of(-1, (25, 48, 40)) == ((range(24, 25), range(48), range(40)), (True, False, False))
    assert box_of((slice(9, 2, -3), 4), (25, 48, 40))[0] == (range(9, 2, -3), range(4, 5), range(40))
