"""Widgets are filled when what they need is loaded, and end with their docks."""

import gc
import sys
import threading

import pytest
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_emgauss._napari.viewer import docked
from napari_emgauss._napari.viewer.docked import DockedWidget

WAIT_MS = 60_000


class Sample(DockedWidget):
    """A widget that tells when its dock is closed."""

    needs = "napari_emgauss.units"

    def fill(self):
        self.told, self.view = [], QLabel("view")
        self.controller = self.viewer
        self.show_view(self.view)

    def leave(self):
        self.told.append(1)


@pytest.fixture
def dock(qtbot):
    dock = QWidget()
    qtbot.addWidget(dock)
    return dock


def test_a_widget_that_is_taken_out_of_its_dock_tells_and_ends(qtbot, dock):
    widget = Sample(None)
    told = widget.told
    QVBoxLayout(dock).addWidget(widget)
    with qtbot.waitSignal(widget.destroyed, timeout=WAIT_MS):
        widget.setParent(None)
    assert told == [1]


def test_the_view_takes_all_of_the_height(qtbot, dock):
    widget = Sample(None)
    QVBoxLayout(dock).addWidget(widget)
    dock.resize(200, 500)
    dock.show()
    qtbot.waitUntil(lambda: widget.view.height() == widget.height() > 400, timeout=WAIT_MS)


def test_it_opens_at_once_and_is_filled_when_torch_is_loaded_elsewhere(qtbot, dock, monkeypatch):
    threads = []
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(docked, "import_module", lambda name: threads.append((name, threading.current_thread().name)))
    widget = Sample(None)
    QVBoxLayout(dock).addWidget(widget)
    assert not widget.is_filled
    assert "Loading" in widget.findChild(QLabel).text()
    qtbot.waitUntil(lambda: widget.is_filled, timeout=WAIT_MS)
    assert threads == [("napari_emgauss.units", "emgauss-loading")]
    assert [widget.layout().itemAt(i).widget() for i in range(widget.layout().count())] == [widget.view]


def test_nothing_is_above_or_below_a_view_that_came_later(qtbot, viewer, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    widget = Sample(viewer)
    viewer.window.add_dock_widget(widget, name="sample")
    qtbot.waitUntil(lambda: widget.is_filled, timeout=WAIT_MS)
    layout = widget.layout()
    assert [layout.itemAt(i).widget() for i in range(layout.count())] == [widget.view]


def test_a_widget_that_nobody_keeps_ends_without_the_collector(qtbot):
    gc.disable()
    try:
        ended = []
        widget = Sample(None)
        widget.view.destroyed.connect(lambda: ended.append(1))
        del widget
        assert ended == [1]
    finally:
        gc.enable()
