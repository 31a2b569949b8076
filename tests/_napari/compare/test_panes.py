"""Linked panes."""

import pytest


def test_zooming_one_pane_zooms_the_others(compare, open_model, settled, qtbot):
    settled(compare)
    boxes = [compare.view.panes._boxes["xy", column] for column in (0, 1)]
    boxes[0].setRange(xRange=(40, 120), yRange=(40, 120), padding=0)

    def agree():
        first, second = (box.viewRect() for box in boxes)
        assert (first.center() - second.center()).manhattanLength() < 4
        assert first.width() == pytest.approx(second.width(), rel=0.05)

    qtbot.waitUntil(agree, timeout=60_000)
