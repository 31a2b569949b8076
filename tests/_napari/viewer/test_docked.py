"""Widgets end with their docks."""

import pytest
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_emgauss._napari.viewer.docked import fill_dock


@pytest.fixture
def dock(qtbot):
    dock = QWidget()
    qtbot.addWidget(dock)
    return dock


def test_a_widget_that_is_taken_out_of_its_dock_tells_and_ends(qtbot, dock):
    widget, told = QWidget(), []
    ends = fill_dock(widget, QLabel("view"))
    QVBoxLayout(dock).addWidget(widget)
    ends.taken_out.connect(lambda: told.append(1))
    with qtbot.waitSignal(widget.destroyed, timeout=60_000):
        widget.setParent(None)
    assert told == [1]


def test_the_view_takes_all_of_the_height(qtbot, dock):
    widget, view = QWidget(), QLabel("view")
    fill_dock(widget, view)
    QVBoxLayout(dock).addWidget(widget)
    dock.resize(200, 500)
    dock.show()
    qtbot.waitUntil(lambda: view.height() == widget.height() > 400, timeout=60_000)
