"""The blocks of a job as a small image over its stack."""

import itertools

import numpy as np
import pytest

from napari_emgauss.blocks import spans
from napari_emgauss.io.jobs import BlockGrid, BlockState
from napari_emgauss.io.jobs.grid import LABELS, MOST_SAMPLES

SHAPE, VOXEL_NM, ORIGIN_NM = (25, 150, 333), (48.0, 8.0, 4.0), (7.0, -3.0, 11.0)
PLAN = (spans(25, 11, 3), spans(150, 64, 16), spans(333, 90, 30))


@pytest.fixture
def grid():
    return BlockGrid.of(PLAN, SHAPE)


def test_every_pixel_is_of_the_block_that_weighs_most_there(grid):
    """A block hands over where it and its neighbour weigh the same."""
    from napari_emgauss.blocks import Plan

    plan = Plan(*(tuple(axis) for axis in PLAN))
    for z, y, x in np.random.default_rng(0).integers(0, SHAPE, (40, 3)):
        weights = {
            number: plan.weight_z(block, float(z)) * float(plan.weight_yx(block, np.array([y]), np.array([x]))[0, 0])
            for number, block in plan.blocks_at(float(z), (y, y + 1, x, x + 1))
        }
        assert weights[grid.block_at((z, y, x))] == pytest.approx(max(weights.values()))
    assert len(grid) == len(plan.blocks)


@pytest.mark.parametrize("outside", [(-1, 5, 5), (25, 5, 5), (3, 150, 5), (3, 5, -0.6)])
def test_outside_the_stack_there_is_no_block(grid, outside):
    assert grid.block_at(outside) is None


def test_a_sample_has_the_label_of_its_block_or_lies_between_blocks(grid):
    states = [tuple(BlockState)[i % 4] for i in range(len(grid))]
    image = grid.labels(states)
    assert image.shape == grid.samples
    assert image.dtype == np.uint8
    for sample in np.argwhere(image)[::97]:
        assert image[tuple(sample)] == LABELS[states[grid.block_of_sample(sample)]]
    assert 0 < (image == 0).mean() < 0.2
    assert (image.max(axis=(1, 2)) > 0).all(), "every section shows its blocks"


def test_the_image_covers_the_stack_exactly(grid):
    size, start = grid.placement(VOXEL_NM, ORIGIN_NM)
    for axis in range(3):
        assert start[axis] - size[axis] / 2 == pytest.approx(ORIGIN_NM[axis] - VOXEL_NM[axis] / 2)
        assert size[axis] * grid.samples[axis] == pytest.approx(SHAPE[axis] * VOXEL_NM[axis])
    for sample in itertools.product(*((0, n // 2, n - 1) for n in grid.samples)):
        world = np.array(start) + np.array(sample) * size
        assert grid.block_of_sample(sample) == grid.block_at((world - ORIGIN_NM) / VOXEL_NM)


def test_sections_that_are_left_out_take_their_place_between_the_others():
    observed = [0, 1, 5, 6, 7, 8]
    grid = BlockGrid.of(([(0, 3), (2, 6)], [(0, 20)], [(0, 20)]), (9, 20, 20), observed)
    assert [grid.block_at((z, 3, 3)) for z in (0, 4.9, 5.1, 8)] == [0, 0, 1, 1]


def test_a_plan_of_a_hundred_thousand_blocks_makes_no_large_image():
    side = 30_000
    plan = (spans(4000, 100, 10), spans(side, 512, 64), spans(side, 512, 64))
    grid = BlockGrid.of(plan, (4000, side, side))
    assert np.prod(grid.samples) <= MOST_SAMPLES
    assert grid.labels([BlockState.DONE] * len(grid)).shape == grid.samples


def test_the_plan_of_another_stack_is_refused():
    with pytest.raises(ValueError, match="Open the stack that the job is of"):
        BlockGrid.of(PLAN, (25, 150, 334))
