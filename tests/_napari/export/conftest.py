"""A stack with one bright spot, a model of it, and Export beside it."""

import time
import weakref

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss._napari.export.widget import ExportWidget
from napari_emgauss._napari.viewer.layers import LayerPlacement, stack_of
from napari_emgauss._napari.viewer.models import OpenModel, open_models
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.volume import Volume

SPOT = (3, 20, 29)


@pytest.fixture(scope="session")
def spot() -> np.ndarray:
    """Five grey sections with one bright blob in section 3."""
    y, x = np.mgrid[:48, :40]
    data = np.full((5, 48, 40), 40.0)
    data[SPOT[0]] += 200 * np.exp(-0.5 * ((y - SPOT[1]) ** 2 + (x - SPOT[2]) ** 2) / 2.0**2)
    return data.astype(np.uint8)


@pytest.fixture
def spot_layer(viewer, spot):
    place = {"scale": (0.048, 0.008, 0.008), "translate": (0.5, 1.25, -0.75), "units": ("um",) * 3}
    return viewer.add_image(spot, name="stack", contrast_limits=(30, 230), colormap="magma", **place)


@pytest.fixture(scope="session")
def spot_model(spot) -> eg.Reconstruction:
    volume = Volume(spot, (48, 8, 8), (500, 1250, -750))
    return eg.reconstruct(volume, preset="fast", adapt_spacing=False, leave_out_damaged=False)


@pytest.fixture
def model(viewer, spot_layer, spot_model) -> OpenModel:
    placement, source = LayerPlacement.of(spot_layer), weakref.ref(spot_layer)
    return open_models(viewer).add(OpenModel("stack · fast", spot_model, placement, stack_of(spot_layer), source))


@pytest.fixture
def export(viewer, model):
    """The controller of a docked widget."""
    widget = ExportWidget(viewer)
    viewer.window.add_dock_widget(widget)
    return widget.controller


@pytest.fixture
def run(qtbot):
    """Export to a layer, a file, or both, and wait for the end."""

    def wait(export, *, path=None, layer=True):
        target = export.view.target_form
        target.layer_box.setChecked(layer)
        target.file_box.setChecked(path is not None)
        if path is not None:
            target.path_edit.setText(str(path))
            target.path_edit.editingFinished.emit()
        export.start()
        qtbot.waitUntil(lambda: not export.running, timeout=60_000)

    return wait


@pytest.fixture
def slow(monkeypatch):
    """Every plane takes a twentieth of a second."""
    plane = Planes._draw_plane

    def slowly(self, *place):
        time.sleep(0.05)
        return plane(self, *place)

    monkeypatch.setattr(Planes, "_draw_plane", slowly)
