"""Particles to map over a few small particles, with trainings of a few iterations."""

import pytest
from qtpy.QtCore import QSettings

from napari_emgauss._napari.gem.controller import ParticlesController
from napari_emgauss._napari.gem.settings import MapSettingsForm
from napari_emgauss._napari.gem.widget import ParticlesWidget
from napari_emgauss._napari.training import steps_controller as module
from napari_emgauss._napari.viewer.particles import particles_to_layer
from napari_emgauss.forward.simulation import phantom_particles

WAIT_MS = 180_000
QUICK = {"n_gaussians": 120, "shape_iterations": 6, "likelihood_iterations": 4, "amplitudes": "positive"}


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Settings and half-done trainings of the tests stay in their folder."""
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    monkeypatch.setattr(module.platformdirs, "user_cache_path", lambda name: tmp_path / "cache")
    return tmp_path


@pytest.fixture(scope="session")
def particles():
    """120 particles of 24² px."""
    return phantom_particles(120, box_px=24, pixel_size_angstrom=7.0, snr=0.5)


@pytest.fixture
def told():
    """Notifications shown so far."""
    from napari.utils.notifications import notification_manager

    notification_manager.records.clear()
    return lambda: [record.message for record in notification_manager.records]


@pytest.fixture
def layer(viewer, particles):
    """The particles as a layer."""
    image, attributes, _ = particles_to_layer(particles, "few")
    return viewer.add_image(image, **attributes)


@pytest.fixture
def settings(monkeypatch):
    """What trainings are begun with, beside what is entered; to be changed by tests."""
    wanted, entered = dict(QUICK), MapSettingsForm.arguments
    monkeypatch.setattr(MapSettingsForm, "arguments", lambda form: {**entered(form), **wanted})
    monkeypatch.setattr(ParticlesController, "preview_every_s", 0.01)
    return wanted


@pytest.fixture
def widget(viewer, layer, settings):
    """A docked Particles to map."""
    widget = ParticlesWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Particles to map")
    return widget


@pytest.fixture
def until(qtbot):
    """Wait for something."""
    return lambda reached: qtbot.waitUntil(reached, timeout=WAIT_MS)


@pytest.fixture
def train(widget, until):
    """Train to the end."""

    def run():
        widget.view.panel.train_button.click()
        until(lambda: not widget.controller.busy)

    return run
