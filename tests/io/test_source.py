"""A stack that is read on demand is indexed like the array it stands for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_emgauss.errors import FileFormatError, OutOfMemoryError, VolumeError
from napari_emgauss.io.source import LazyStack, forward_slices, supported_dtype, to_supported

DATA = np.random.default_rng(0).integers(0, 255, (4, 17, 19), np.uint8)


def lazy(tmp_path, fetch=lambda *key: DATA[key], dtype=np.uint8):
    return LazyStack(fetch, shape=DATA.shape, stored_dtype=dtype, path=tmp_path / "a.h5", kind="HDF5")


@given(hnp.basic_indices(DATA.shape, allow_newaxis=False))
def test_forward_slices_and_what_is_left_to_do_are_the_index(key):
    forward, after = forward_slices(key, DATA.shape)
    assert all(s.step > 0 and 0 <= s.start <= s.stop for s in forward)
    np.testing.assert_array_equal(DATA[forward][after], DATA[key])


@pytest.mark.parametrize("key", [4, -5, (0, 17), (0, 0, 0, 0), (..., ...)])
def test_an_index_outside_is_an_error(tmp_path, key):
    with pytest.raises((IndexError, TypeError, AttributeError)):
        lazy(tmp_path)[key]


@pytest.mark.parametrize(
    ("stored", "read_as"),
    [("uint8", "uint8"), (">u2", "uint16"), ("int8", "int16"), ("float16", "float32"), ("float64", "float32")],
)
def test_types_are_read_as_the_nearest_supported_one(tmp_path, stored, read_as):
    assert supported_dtype(stored, tmp_path) == np.dtype(read_as)
    assert supported_dtype(stored, tmp_path).isnative


def test_other_types_name_the_remedy(tmp_path):
    with pytest.raises(VolumeError, match="Convert it"):
        supported_dtype("int64", tmp_path)


@given(st.floats(allow_nan=False))
def test_what_float32_cannot_hold_is_infinite(value):
    (converted,) = to_supported(np.array([value]), np.dtype("f4"))
    assert np.isinf(converted) if abs(value) > 3.5e38 else converted == np.float32(value)


def test_a_part_that_does_not_fit_into_memory_is_not_read(tmp_path, monkeypatch):
    stack = lazy(tmp_path, lambda *key: pytest.fail("it was read"))
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 100}))
    with pytest.raises(OutOfMemoryError, match=r"this part of the stack needs 323 bytes.*100 bytes are available"):
        stack[2]


def test_a_block_of_another_shape_than_declared_is_a_damaged_file(tmp_path):
    with pytest.raises(FileFormatError, match=r"a\.h5 cannot be read as HDF5"):
        lazy(tmp_path, lambda *key: DATA[:1, :1, :1])[2]
