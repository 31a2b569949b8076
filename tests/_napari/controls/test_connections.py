"""Connections end with their widget."""

import gc
import weakref

import pytest
from napari.utils.events import EventEmitter
from psygnal import Signal
from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.controls.connections import Connections


class Source:
    first, second = Signal(int), Signal(int)


@pytest.fixture
def source():
    return Source()


def test_a_widget_that_is_gone_is_told_nothing(qtbot, source):
    widget, told, gone = QWidget(), [], []
    connections = Connections(widget)
    connections.connect(source.first, told.append)
    source.first.emit(1)
    widget.destroyed.connect(lambda *_: gone.append(True))
    widget.deleteLater()
    qtbot.waitUntil(lambda: bool(gone), timeout=60_000)
    source.first.emit(2)
    connections.close()
    assert told == [1]


def test_one_signal_can_be_left_alone(qtbot, source):
    widget, told = QWidget(), []
    qtbot.addWidget(widget)
    connections = Connections(widget)
    for signal in (source.first, source.second):
        connections.connect(signal, told.append)
    connections.disconnect(source.first)
    source.first.emit(1)
    source.second.emit(2)
    assert told == [2]


def test_an_emitter_that_goes_before_the_widget_is_not_kept(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    connections, gone = Connections(widget), []
    for _ in range(3):
        emitter = EventEmitter()
        connections.connect(emitter, gone.clear)
        gone.append(weakref.ref(emitter))
        del emitter
    gc.collect()
    assert [emitter() for emitter in gone] == [None] * 3
    connections.connect(lasting := EventEmitter(), gone.clear)
    assert len(connections._made) == 1
    connections.disconnect(lasting)
    assert connections._made == []
