"""Slices to volume over the stacks of a small head, with trainings of a few iterations."""

import pytest
from qtpy.QtCore import QSettings

from napari_emgauss._napari.svr.widget import SlicesWidget
from napari_emgauss._napari.training import steps_controller as module
from napari_emgauss._napari.viewer.space import stack_to_layers

WAIT_MS = 180_000
FEW_STEPS = {"solve_steps": 3, "spacing": 2.5, "align_stacks": False, "motion": False}


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Settings and half-done trainings of the tests stay in their folder."""
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    monkeypatch.setattr(module.platformdirs, "user_cache_path", lambda name: tmp_path / "cache")
    return tmp_path


@pytest.fixture
def add_stacks(viewer):
    """Add stacks, and their masks, to the viewer."""

    def add(stacks, thickness_mm=3.0):
        from napari.layers import Layer

        made = [stack_to_layers(stack, thickness_mm=thickness_mm) for stack in stacks]
        for data in [layers[0] for layers in made] + [layers[1] for layers in made]:
            viewer.add_layer(Layer.create(*data))
        return list(viewer.layers)

    return add


@pytest.fixture
def widget(viewer, head, add_stacks, monkeypatch):
    """A docked widget with three stacks."""
    add_stacks(head)
    widget = SlicesWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Slices to volume")
    few_steps(widget, monkeypatch)
    return widget


def few_steps(widget, monkeypatch, **settings):
    arguments = widget.view.settings.arguments
    monkeypatch.setattr(widget.view.settings, "arguments", lambda: {**arguments(), **FEW_STEPS, **settings})


class Slices:
    """Waits for a training of a widget."""

    def __init__(self, widget, qtbot, monkeypatch):
        self._widget, self._qtbot, self._monkeypatch = widget, qtbot, monkeypatch

    def make_long(self):
        few_steps(self._widget, self._monkeypatch, solve_steps=100_000)

    def wait_until_begun(self):
        self._qtbot.waitUntil(lambda: self._widget.view.panel.bar.value() > 0, timeout=WAIT_MS)

    def wait_until_idle(self):
        self._qtbot.waitUntil(lambda: not self._widget.controller.busy, timeout=WAIT_MS)


@pytest.fixture
def training(widget, qtbot, monkeypatch):
    return Slices(widget, qtbot, monkeypatch)


@pytest.fixture
def told():
    """Notifications shown so far."""
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()
    return lambda: [record.message for record in notification_manager.records]
