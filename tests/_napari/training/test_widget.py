"""Trainings end with their docks, in whatever order Python and Qt let go of the widgets."""

import gc
import sys
from types import SimpleNamespace

import pytest
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QLabel

from napari_emgauss._napari.training.widget import TrainingWidget


class Sample(TrainingWidget):
    """A widget whose training notes when it is closed."""

    def parts(self):
        view, closed = QLabel("view"), self.viewer
        return view, SimpleNamespace(view=view, close=lambda: closed.append(view))


@pytest.mark.parametrize("collected_first", [True, False])
def test_a_widget_in_a_circle_ends_its_training_once(qtbot, monkeypatch, collected_first):
    monkeypatch.setitem(sys.modules, "torch", sys)  # as if it were loaded
    closed = []
    widget = Sample(closed)
    widget.itself = widget
    widget.deleteLater()  # as when its dock is closed
    del widget
    if collected_first:
        gc.collect()
    assert not closed
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert len(closed) == 1
    gc.collect()
    assert len(closed) == 1
