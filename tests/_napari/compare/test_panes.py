"""Linked panes."""

import pytest

from napari_emgauss._napari.compare.panes import Panes


def test_images_fill_a_pane_again_that_was_narrow_for_a_moment(qtbot):
    panes = Panes()
    qtbot.addWidget(panes)
    panes.set_grid((61, 128, 128), (8.0, 8.0, 8.0))
    boxes = [panes._boxes["xz", column] for column in (0, 1)]
    for size in ((200, 100), (200, 20), (60, 100), (200, 100)):
        for box in boxes:
            box.resize(*size)
    assert [box.viewRect().width() for box in boxes] == pytest.approx([128 * 8] * 2, rel=0.1)


def test_zooming_one_pane_zooms_the_others(compare, open_model, settled, qtbot):
    settled(compare)
    boxes = [compare.view.panes._boxes["xy", column] for column in (0, 1)]
    boxes[0].setRange(xRange=(40, 120), yRange=(40, 120), padding=0)

    def agree():
        first, second = (box.viewRect() for box in boxes)
        assert (first.center() - second.center()).manhattanLength() < 4
        assert first.width() == pytest.approx(second.width(), rel=0.05)

    qtbot.waitUntil(agree, timeout=60_000)
