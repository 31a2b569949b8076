"""Sections as sums of blocks, and which blocks that takes."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from napari_emgauss.blocks import Plan
from napari_emgauss.forward import View
from napari_emgauss.methods.emgauss.drawing.composite import compose

PLAN = Plan.of((20, 100, 90), bundle_sections=7, bundle_overlap=2, tile_px=40, tile_overlap_px=10)


class Blocks(Sequence):
    """Models that draw their own number everywhere, and remember who was asked."""

    def __init__(self, value=float):
        self.value, self.asked = value, []

    def __len__(self):
        return len(PLAN.blocks)

    def __getitem__(self, index):
        self.asked.append(index)
        return Level(self.value(index))


class Level:
    def __init__(self, value):
        self.value = value

    def render(self, z, view):
        return torch.full(view.shape, self.value)


@pytest.mark.parametrize("zoom", [0.1, 0.37, 1.0, 2.5])
@pytest.mark.parametrize("position", [0.0, 5.5, 12.0, 19.0])
def test_blocks_that_agree_leave_no_trace(zoom, position):
    image = compose(PLAN, Blocks(lambda index: 3.0), View((0, 100, 0, 90), zoom), position, position)
    assert image == pytest.approx(np.full((round(100 * zoom), round(90 * zoom)), 3.0), rel=1e-5)


def test_only_blocks_in_view_are_asked_for():
    models, region = Blocks(), (2, 25, 60, 85)
    compose(PLAN, models, View(region), 5.5, 5.5)
    assert models.asked == [index for index, _ in PLAN.blocks_at(5.5, region)]
    assert 0 < len(models.asked) < len(PLAN.blocks) / 4


def test_a_part_is_that_part_of_the_whole():
    whole = compose(PLAN, Blocks(), View((0, 100, 0, 90)), 5.5, 5.5)
    part = compose(PLAN, Blocks(), View((20, 61, 7, 80)), 5.5, 5.5)
    assert np.array_equal(part, whole[20:61, 7:80])
