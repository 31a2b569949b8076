"""A model with a held-out section, and Compare beside it."""

import weakref

import pytest

import napari_emgauss as eg
from napari_emgauss._napari.compare.widget import CompareWidget
from napari_emgauss._napari.viewer.layers import LayerPlacement, stack_of
from napari_emgauss._napari.viewer.models import OpenModel, open_models


@pytest.fixture(scope="session")
def trained_in_part(stack):
    """Trained where ``stack_layer`` lies."""
    placed = eg.Volume(stack.data, stack.voxel_size_nm, origin_nm=(500, 1250, -750))
    return eg.reconstruct(placed, preset="fast", hold_out=(2,), adapt_spacing=False)


@pytest.fixture
def open_model(viewer, stack_layer, trained_in_part):
    """A model with a held-out section, as 'Reconstruct' leaves it."""
    model = OpenModel(
        "stack · fast", trained_in_part, LayerPlacement.of(stack_layer), stack_of(stack_layer), weakref.ref(stack_layer)
    )
    return open_models(viewer).add(model)


@pytest.fixture
def compare(viewer):
    """The controller of a docked widget."""
    widget = CompareWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Compare")
    return widget.controller


@pytest.fixture
def settled(qtbot):
    """Wait until everything is drawn and scored."""

    def wait(compare):
        qtbot.waitUntil(lambda: not compare.busy, timeout=60_000)

    return wait
