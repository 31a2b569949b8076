"""A corrected stack reads like an array, one section at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_emgauss.errors import VolumeError
from napari_emgauss.sections import Corrections, corrected
from napari_emgauss.volume import Volume


@pytest.fixture
def corrections(stack):
    n = stack.n_sections
    rng = np.random.default_rng(0)
    return Corrections(
        gains=rng.uniform(0.9, 1.1, n), offsets=rng.uniform(-5, 5, n), shifts_px=rng.uniform(-2, 2, (n, 2))
    )


def test_nothing_to_correct_gives_the_very_same_volume(stack):
    assert corrected(stack, Corrections.none(stack.n_sections)) is stack


def test_every_way_of_indexing_agrees(stack, corrections):
    volume = corrected(stack, corrections)
    whole = np.stack([corrections.apply(i, stack.section(i)) for i in range(stack.n_sections)])
    assert (volume.shape, volume.dtype, volume.voxel_size_nm) == (stack.shape, np.float32, stack.voxel_size_nm)
    for key in (
        2,
        -1,
        slice(None),
        slice(1, None, 2),
        (3, slice(4, 9)),
        (slice(0, 2), 5, slice(2, 7)),
        (1, slice(40, 3, -4), slice(None, None, 3)),
        (slice(None), -1),
        (2, slice(7, 7)),
        [0, 2],
        slice(0, 0),
    ):
        assert np.array_equal(volume.data[key], whole[key])
    assert np.array_equal(volume.every(2).section(1), whole[2])
    assert np.array_equal(volume.as_float(), whole)
    with pytest.raises(IndexError):
        volume.data[stack.n_sections]


def test_only_the_pixels_that_a_part_depends_on_are_read(stack, corrections):
    class Counting:
        shape, dtype, read = stack.shape, stack.dtype, []

        def __getitem__(self, key):
            self.read.append(key)
            return np.asarray(stack.data)[key]

    source = Counting()
    volume = corrected(Volume(source, stack.voxel_size_nm), corrections)
    assert source.read == []
    volume.section(3)
    assert source.read == [(3, slice(0, 48), slice(0, 40))]
    volume.section(3, (20, 30, 0, 9))
    _, rows, columns = source.read[1]
    assert 11 < rows.start < 20 < 30 < rows.stop < 40
    assert (columns.start, 9 < columns.stop < 20) == (0, True)
    corrected(Volume(source, stack.voxel_size_nm), corrections.without_shifts()).section(2, (20, 30, 0, 9))
    assert source.read[2] == (2, slice(20, 30), slice(0, 9))


@given(st.tuples(*(st.floats(-6, 6, width=32) for _ in range(2))), st.data())
def test_a_part_is_that_of_the_whole_to_the_last_bit(shift, data):
    images = np.random.default_rng(0).random((2, 150, 200), np.float32)
    volume = Volume(images, (4, 1, 1))
    moved = Corrections(gains=np.full(2, 1.1), offsets=np.full(2, -0.3), shifts_px=np.array([shift, shift]))
    y0, x0 = (data.draw(st.integers(0, n - 1)) for n in (150, 200))
    y1, x1 = data.draw(st.integers(y0 + 1, 150)), data.draw(st.integers(x0 + 1, 200))
    part = corrected(volume, moved).section(1, (y0, y1, x0, x1))
    assert np.array_equal(part, moved.apply(1, images[1])[y0:y1, x0:x1])


def test_a_shift_leaves_no_dark_rim(stack):
    n = stack.n_sections
    bright = Volume(np.full(stack.shape, 200, np.uint8), stack.voxel_size_nm)
    moved = Corrections(gains=np.ones(n), offsets=np.zeros(n), shifts_px=np.full((n, 2), 3.3))
    assert corrected(bright, moved).section(0) == pytest.approx(200, abs=0.01)


def test_corrections_of_another_stack_are_refused(stack):
    with pytest.raises(VolumeError, match="3 sections"):
        corrected(stack, Corrections.none(3))
