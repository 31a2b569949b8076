"""Lists of the Gaussians that touch each tile."""

import pytest
import torch

pytest.importorskip("triton", reason="needs triton, which is for Linux")

from napari_emgauss.render.gpu import pairs as module
from napari_emgauss.render.gpu.pairs import HEADROOM, LEAST_HEADROOM, LISTS_PER_COUNT, TILE_PX, _Slots, list_pairs

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


def test_slots_follow_what_was_counted_with_some_room():
    slots, few = _Slots(4.0), 1.001
    assert 4.0 * HEADROOM * 5000 < slots.enough(5000) <= 4.0 * HEADROOM * 5000 + 1024
    for density, expected in ((4.0 * HEADROOM / LEAST_HEADROOM / few, 4.0), (6.0, 6.0), (3.0, 6.0)):
        for _ in range(LISTS_PER_COUNT):
            slots.watch(torch.tensor([0, int(1000 * density)] + [0] * 998).cumsum(0))
        assert expected * HEADROOM * 7000 < slots.enough(7000) <= expected * HEADROOM * 7000 + 1024


def test_a_kind_is_counted_when_it_is_new_and_never_waited_for_again(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "_slots", {})
    monkeypatch.setattr(module, "_Slots", lambda density: asked.append(density) or _Slots(density))
    conics = torch.tensor([[0.15, 0.05, 0.3]], device=DEVICE)
    for n, expected in ((9, 1), (15, 1), (8, 1), (16, 2)):
        list_pairs(torch.full((n, 2), 20.0, device=DEVICE), conics.repeat(n, 1), [n], (40, 50))
        assert len(asked) == expected
    assert asked[0] == asked[1] > 1


def test_a_count_that_does_not_arrive_is_waited_for_after_as_many_lists_as_lie_between_counts():
    class Late:
        waited = 0

        def query(self):
            return False

        def record(self): ...

        def synchronize(self):
            self.waited += 1

    slots, late, ends = _Slots(4.0), Late(), torch.tensor([0, 9000])
    slots._count, slots._event = torch.zeros(1, dtype=torch.int64), late
    for k in range(2 * LISTS_PER_COUNT):
        slots.watch(ends)
        assert late.waited == 0
        assert slots.enough(2) == 1024 if k < 2 * LISTS_PER_COUNT - 1 else slots.enough(2) > 9000
    assert late.waited == 1
