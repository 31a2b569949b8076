"""Reconstruct over a small stack, with trainings of a few iterations."""

import pytest

from napari_emgauss._napari.reconstruct.widget import ReconstructWidget
from napari_emgauss.methods.emgauss import PRESETS

WAIT_MS = 180_000


@pytest.fixture
def told(monkeypatch):
    """Notifications shown so far."""
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()
    return lambda: [record.message for record in notification_manager.records]


@pytest.fixture
def widget(viewer, stack_layer, monkeypatch):
    """A docked Reconstruct."""
    monkeypatch.setitem(PRESETS, "balanced", {**PRESETS["balanced"], "newton_steps": 3, "adapt_spacing": False})
    widget = ReconstructWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Reconstruct")
    widget.view.settings._fields["teacher"].setChecked(False)
    return widget


class Training:
    """Settings of a training, and waits for its events."""

    def __init__(self, widget, qtbot):
        self._widget, self._qtbot = widget, qtbot

    def set(self, name, value):
        self._widget.view.settings._fields[name].setValue(value)

    def make_long(self):
        self.set("newton_steps", 10_000)

    def wait_until_begun(self):
        self._qtbot.waitUntil(lambda: self._widget.view.panel.bar.value() > 0, timeout=WAIT_MS)

    def wait_until_blocks_learn(self):
        status = self._widget.view.panel.status
        self._qtbot.waitUntil(lambda: "Learning" in status.text(), timeout=WAIT_MS)

    def wait_until_finished(self):
        self._qtbot.waitUntil(lambda: self._widget.controller.run is None, timeout=WAIT_MS)


@pytest.fixture
def training_of(qtbot):
    return lambda widget: Training(widget, qtbot)


@pytest.fixture
def training(widget, training_of):
    """The training of ``widget``."""
    return training_of(widget)
