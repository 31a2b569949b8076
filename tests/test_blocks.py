from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from napari_emgauss.blocks import Plan, fade, observed_coordinate, spans
from napari_emgauss.errors import ConfigError


@given(n=st.integers(2, 400), overlap=st.integers(1, 20), extra=st.integers(1, 60))
@example(n=40, overlap=7, extra=1).via("three spans meet")
def test_spans_cover_everything_and_their_weights_sum_to_one(n, overlap, extra):
    length = 2 * overlap + extra
    found = spans(n, length, overlap)
    assert found[0][0] == 0
    assert found[-1][1] == n
    assert all(stop - start == min(n, length) for start, stop in found)
    assert all(left[1] - right[0] >= overlap for left, right in pairwise(found))
    position = np.arange(n, dtype=np.float32)
    total = np.zeros(n)
    for index, (start, stop) in enumerate(found):
        total[start:stop] += fade(found, index, position[start:stop])
    assert total == pytest.approx(np.ones(n), abs=1e-5)


@given(n=st.integers(2, 60), z=st.floats(0, 1), overlap=st.integers(1, 3))
def test_bundles_share_every_depth_completely(n, z, overlap):
    plan = Plan.of((n, 40, 40), bundle_sections=7, bundle_overlap=overlap, tile_px=64, tile_overlap_px=8)
    position = z * (n - 1)
    assert sum(plan.weight_z(block, position) for block in plan.blocks) == pytest.approx(1, abs=1e-5)


def test_tiles_of_a_wide_section_fade_into_each_other():
    plan = Plan.of((3, 100, 90), bundle_sections=9, bundle_overlap=2, tile_px=40, tile_overlap_px=10)
    total = np.zeros((100, 90))
    for block in plan.blocks:
        y0, y1, x0, x1 = plan.region(block)
        total[y0:y1, x0:x1] += plan.weight_yx(block, np.arange(y0, y1), np.arange(x0, x1))
    assert total == pytest.approx(np.ones((100, 90)), abs=1e-5)


def test_a_span_weighs_nothing_where_it_is_not():
    cut = spans(100, 20, 4)
    assert fade(cut, 0, np.array([-5.0, 0.0, 25.0, 99.0, 130.0])) == pytest.approx([1, 1, 0, 0, 0])
    assert sum(fade(cut, k, np.array([-5.0, 130.0])) for k in range(len(cut))) == pytest.approx([1, 1])


def test_blocks_that_do_not_overlap_are_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        spans(100, 8, 0)


def test_a_block_not_longer_than_twice_its_overlap_is_refused():
    with pytest.raises(ConfigError, match="twice its overlap"):
        spans(100, 8, 4)


@given(z=st.floats(0, 19), y0=st.integers(0, 98), x0=st.integers(0, 88), size=st.integers(1, 40))
def test_blocks_at_a_place_are_those_with_weight_there(z, y0, x0, size):
    plan = Plan.of((20, 100, 90), bundle_sections=7, bundle_overlap=2, tile_px=40, tile_overlap_px=10)
    assert plan.shape == (20, 100, 90)
    region = (y0, min(y0 + size, 100), x0, min(x0 + size, 90))
    expected = []
    for index, block in enumerate(plan.blocks):
        top, bottom, left, right = plan.region(block)
        meets = max(top, region[0]) < min(bottom, region[1]) and max(left, region[2]) < min(right, region[3])
        if plan.weight_z(block, z) > 0 and meets:
            expected.append((index, block))
    assert list(plan.blocks_at(z, region)) == expected
    everywhere = [index for index, _ in plan.blocks_at(z)]
    assert everywhere == [i for i, block in enumerate(plan.blocks) if plan.weight_z(block, z) > 0]
    both = [index for index, _ in plan.blocks_at([z, 0.0])]
    assert both == sorted({*everywhere, *(index for index, _ in plan.blocks_at(0.0))})


def test_section_coordinates_are_counted_in_observed_sections():
    observed = (0, 1, 3, 7)
    assert [observed_coordinate(observed, z) for z in (0, 0.25, 1, 2, 3, 4, 7)] == [0, 0.25, 1, 1.5, 2, 2.25, 3]
