"""A corrected stack reads like an array, one section at a time."""

import numpy as np
import pytest

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
        [0, 2],
        slice(0, 0),
    ):
        assert np.array_equal(volume.data[key], whole[key])
    assert np.array_equal(volume.every(2).section(1), whole[2])
    assert np.array_equal(volume.as_float(), whole)
    with pytest.raises(IndexError):
        volume.data[stack.n_sections]


def test_only_the_section_asked_for_is_read(stack, corrections):
    class Counting:
        shape, dtype, read = stack.shape, stack.dtype, []

        def __getitem__(self, key):
            self.read.append(key)
            return np.asarray(stack.data)[key]

    source = Counting()
    volume = corrected(Volume(source, stack.voxel_size_nm), corrections)
    assert source.read == []
    volume.section(3)
    assert source.read == [3]


def test_a_shift_leaves_no_dark_rim(stack):
    n = stack.n_sections
    bright = Volume(np.full(stack.shape, 200, np.uint8), stack.voxel_size_nm)
    moved = Corrections(gains=np.ones(n), offsets=np.zeros(n), shifts_px=np.full((n, 2), 3.3))
    assert corrected(bright, moved).section(0) == pytest.approx(200, abs=0.01)


def test_corrections_of_another_stack_are_refused(stack):
    with pytest.raises(VolumeError, match="3 sections"):
        corrected(stack, Corrections.none(3))
