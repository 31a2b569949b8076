"""Lists of the Gaussians that touch each tile."""

import pytest
import torch

pytest.importorskip("triton", reason="needs triton, which is for Linux")

from napari_emgauss.render.gpu.pairs import (
    HEADROOM,
    LISTS_PER_COUNT,
    MOST_PAIRS_PER_GAUSSIAN,
    PAIRS_PER_GAUSSIAN,
    TILE_PX,
    _Slots,
    list_pairs,
)

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def test_each_tile_lists_in_order_the_gaussians_whose_boxes_touch_it():
    shape, g = (40, 50), torch.Generator().manual_seed(3)
    means = (torch.rand(30, 2, generator=g) * 60 - 5).to(DEVICE)
    conics = torch.tensor([[0.15, 0.05, 0.3]], device=DEVICE).repeat(30, 1)
    pairs = list_pairs(means, conics, [20, 10], shape)
    rows, columns = pairs.n_tiles
    assert (rows, columns) == (-(-40 // TILE_PX[0]), -(-50 // TILE_PX[1]))
    y0, y1, x0, x1, image = pairs.records[:, 8:13].cpu().int().unbind(1)
    _, members, ranges = pairs.lists.cpu().split([pairs.slots, pairs.slots, 4 * rows * columns])
    for tile in range(2 * rows * columns):
        top, left = tile // columns % rows * TILE_PX[0], tile % columns * TILE_PX[1]
        touching = (y1 > top) & (y0 < top + TILE_PX[0]) & (x1 > left) & (x0 < left + TILE_PX[1]) & (y1 > y0)
        expected = (touching & (image == tile // (rows * columns))).nonzero()[:, 0]
        first, last = ranges[2 * tile : 2 * tile + 2].tolist()
        assert torch.equal(members[first:last].long(), expected)
    assert image.tolist() == [0] * 20 + [1] * 10
    assert pairs.ends[-1] > 30


def test_slots_follow_what_was_counted_with_some_room(monkeypatch):
    monkeypatch.setattr(_Slots, "density", PAIRS_PER_GAUSSIAN)
    slots = _Slots(500)
    assert slots.enough() >= 500 * PAIRS_PER_GAUSSIAN
    for pairs, expected in ((40_000, HEADROOM * 40_000), (41_000, HEADROOM * 40_000), (60_000, HEADROOM * 60_000)):
        for _ in range(LISTS_PER_COUNT):
            slots.watch(torch.tensor([5, pairs]))
        assert expected <= slots.enough() <= expected + 1024
    assert _Slots(900).enough() >= HEADROOM * 900 * MOST_PAIRS_PER_GAUSSIAN
