"""A volume checks what it is given once, and hands out sections that can be trusted."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_emgauss.errors import VolumeError, VoxelSizeError
from napari_emgauss.volume import SUPPORTED_DTYPES, Volume, check_voxel_size


def stack(shape=(5, 16, 18), dtype="uint8"):
    return np.arange(math.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", SUPPORTED_DTYPES)
def test_a_usable_stack_is_described(dtype):
    volume = Volume(stack(dtype=dtype), (40, 4, 5), (1, 2, 3), {"a": 1})
    assert (volume.shape, volume.n_sections, volume.dtype) == ((5, 16, 18), 5, np.dtype(dtype))
    assert volume.factor == 8
    assert volume.origin_nm == (1, 2, 3)
    assert volume.as_float().dtype == np.float32
    np.testing.assert_array_equal(volume.as_float(), volume.data)


@pytest.mark.parametrize(
    ("shape", "dtype", "words"),
    [
        ((16, 18), "uint8", "three axes"),
        ((2, 5, 16, 18), "uint8", "Pick one channel"),
        ((5, 16, 18, 3), "uint8", "RGB"),
        ((20, 18, 3), "uint8", "RGB"),
        ((1, 16, 18), "uint8", "at least 2 sections"),
        ((5, 15, 18), "uint8", "at least 16"),
        ((5, 16, 15), "uint8", "at least 16"),
        ((0, 16, 18), "uint8", "at least 2 sections"),
        ((5, 16, 18), "bool", "intensities must be one of"),
        ((5, 16, 18), "float64", "intensities must be one of"),
        ((5, 16, 18), "complex64", "intensities must be one of"),
    ],
)
def test_unusable_stacks_are_refused(shape, dtype, words):
    with pytest.raises(VolumeError, match=words):
        Volume(np.zeros(shape, dtype), (40, 4, 4))


@given(st.lists(st.floats() | st.floats(1e-3, 1e8) | st.floats(1, 900), max_size=5))
def test_a_voxel_size_is_three_plausible_numbers_or_an_error(values):
    if len(values) == 3 and all(1e-3 <= v <= 1e8 for v in values) and max(values) <= 1000 * min(values):
        assert check_voxel_size(values) == tuple(values)
    else:
        with pytest.raises(VoxelSizeError, match="--voxel-size-nm 40 4 4"):
            check_voxel_size(values)


@pytest.mark.parametrize("origin", [(0, 0), (0, 0, math.inf), ("a", 0, 0), None, 3])
def test_an_impossible_origin_is_an_error(origin):
    with pytest.raises(VolumeError, match="origin_nm"):
        Volume(stack(), (40, 4, 4), origin)


def test_what_is_no_array_is_an_error():
    with pytest.raises(VolumeError, match="NumPy array"):
        Volume([[1, 2], [3, 4]], (40, 4, 4))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_name_their_section(bad):
    data = stack(dtype="float32")
    data[3, 2, :4] = bad
    volume = Volume(data, (40, 4, 4))
    np.testing.assert_array_equal(volume.section(2), data[2])
    with pytest.raises(VolumeError, match=r"section 3 has 4 NaN or infinite.*leave the section out"):
        volume.section(3)
    with pytest.raises(VolumeError, match="section 3"):
        volume.as_float()


@pytest.mark.parametrize("index", [-1, 5])
def test_a_section_outside_the_stack_names_the_range(index):
    with pytest.raises(VolumeError, match=r"0\.\.4"):
        Volume(stack(), (40, 4, 4)).section(index)


class Recording:
    """An array that remembers the keys it was asked for."""

    def __init__(self, data):
        self.data, self.shape, self.dtype, self.keys = data, data.shape, data.dtype, []

    def __getitem__(self, key):
        self.keys.append(key)
        return self.data[key]


def test_a_region_of_a_section_is_all_that_is_read():
    data = Recording(stack())
    image = Volume(data, (40, 4, 4)).section(3, (2, 9, 1, 18))
    np.testing.assert_array_equal(image, stack()[3, 2:9, 1:18])
    assert data.keys == [(3, slice(2, 9), slice(1, 18))]


@given(st.integers(16, 1100), st.sampled_from([1, 5000, 10**9]))
def test_bands_make_up_a_section(height, n_bytes):
    volume = Volume(stack((2, height, 17)), (40, 4, 4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_emgauss.volume.BAND_BYTES", n_bytes)
        bands = volume.bands()
    assert max(y1 - y0 for y0, y1, _, _ in bands) <= max(256, n_bytes // 17)
    np.testing.assert_array_equal(np.concatenate([volume.section(1, band) for band in bands]), volume.section(1))


@pytest.mark.parametrize("region", [(-1, 4, 0, 4), (0, 17, 0, 4), (4, 4, 0, 4), (0, 4, 5, 4), (0, 4, 0, 19)])
def test_a_region_outside_the_section_is_an_error_that_says_what_fits(region):
    with pytest.raises(VolumeError, match=r"y1 <= 16 and 0 <= x0 < x1 <= 18"):
        Volume(stack(), (40, 4, 4)).section(0, region)


def test_values_that_are_not_finite_matter_where_they_are_read():
    data = stack(dtype="float32")
    data[3, 2, :4] = np.nan
    volume = Volume(data, (40, 4, 4))
    np.testing.assert_array_equal(volume.section(3, (3, 16, 0, 18)), data[3, 3:])
    with pytest.raises(VolumeError, match="section 3 has 2 NaN or infinite"):
        volume.section(3, (0, 16, 2, 18))
    assert np.isnan(volume.recorded(3)).sum() == 4


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_dropping_sections_widens_their_spacing_and_keeps_their_place(factor):
    volume = Volume(stack(), (8, 8, 8), (5, 0, 0))
    thinned = volume.every(factor)
    assert thinned.voxel_size_nm == (8 * factor, 8, 8)
    assert thinned.origin_nm == volume.origin_nm
    for k in range(thinned.n_sections):
        np.testing.assert_array_equal(thinned.section(k), volume.section(k * factor))


def test_dropping_all_but_one_section_is_an_error():
    with pytest.raises(VolumeError, match="at least 2 sections"):
        Volume(stack(), (8, 8, 8)).every(5)
    with pytest.raises(VolumeError, match="positive integer"):
        Volume(stack(), (8, 8, 8)).every(0)
