import contextlib
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.integers import LARGEST, MOST_PER_BYTE, fits, packed_integers, unpacked_integers

NUMBERS = npst.arrays(np.int64, st.integers(0, 200), elements=st.integers(-3000, 3000))


def deflated(data: bytes) -> bytes:
    """The bytes as `packed_integers` writes them, but with matches: they may unfold to a thousand times their size."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@given(values=NUMBERS)
def test_numbers_come_back(values):
    data = packed_integers(values)
    assert np.array_equal(unpacked_integers(data, len(values)), values)


@pytest.mark.parametrize("values", [[], [0], [-1], [254, 255, -127, -128], [-LARGEST, LARGEST]])
def test_numbers_at_the_ends_of_a_byte_come_back(values):
    assert unpacked_integers(packed_integers(np.array(values, np.int64)), len(values)).tolist() == values


@pytest.mark.parametrize("n", [1, 1000, 300_000])
def test_equal_numbers_take_a_bit_each_and_no_less(n):
    n_bytes = len(packed_integers(np.zeros(n, np.int64)))
    assert fits(n, n_bytes)
    assert n_bytes < n / MOST_PER_BYTE * 1.1 + 20


def test_random_numbers_take_what_they_tell():
    values = np.random.default_rng(0).normal(0, 10, 50_000).round().astype(np.int64)
    _, counts = np.unique(values, return_counts=True)
    shares = counts / len(values)
    n_bytes = -(shares * np.log2(shares)).sum() / 8 * len(values)
    assert len(packed_integers(values)) < 1.02 * n_bytes + 200


def test_numbers_without_order_take_five_bytes_at_most():
    values = np.random.default_rng(0).integers(-LARGEST, LARGEST, 10_000)
    assert len(packed_integers(values)) < 5.1 * len(values)


@pytest.mark.parametrize("value", [LARGEST + 1, -LARGEST - 1, 2**62])
def test_larger_numbers_are_refused(value):
    with pytest.raises(ValueError, match="must be within"):
        packed_integers(np.array([0, value]))


@given(values=NUMBERS, n=st.integers(0, 210))
def test_another_number_of_them_is_refused(values, n):
    assume(n != len(values))
    with pytest.raises(FileFormatError):
        unpacked_integers(packed_integers(values), n)


@given(values=NUMBERS, data=st.data())
def test_damaged_data_are_refused_or_hold_other_numbers(values, data):
    whole = packed_integers(values)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(FileFormatError):
        unpacked_integers(whole[:cut], max(len(values), 1))
    with pytest.raises(FileFormatError):
        unpacked_integers(whole + b"\0", len(values))
    flipped = bytearray(whole)
    flipped[cut] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(FileFormatError):
        assert unpacked_integers(bytes(flipped), len(values)).shape == values.shape


@given(data=st.binary(max_size=200), n=st.integers(0, 300))
def test_foreign_bytes_are_refused_or_hold_as_many_numbers(data, n):
    with contextlib.suppress(FileFormatError):
        assert len(unpacked_integers(data, n)) == n


@pytest.mark.parametrize("n", [10, 500_000, 2**26, 2**60])
def test_a_bomb_is_refused_without_being_unfolded(n):
    bomb = deflated(bytes(2**26))
    assert len(bomb) < 2**17
    tracemalloc.start()
    with pytest.raises(FileFormatError):
        unpacked_integers(bomb, n)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22
