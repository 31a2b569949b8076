"""Explore z over a trained model."""

import weakref

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss._napari.explore.widget import ExploreWidget
from napari_emgauss._napari.viewer.layers import LayerPlacement
from napari_emgauss._napari.viewer.models import OpenModel, open_models

WAIT_MS = 60_000


@pytest.fixture
def model(viewer, stack_layer, trained):
    """``trained`` open in the viewer, at the place of its stack."""
    moved = np.array(stack_layer.translate) * 1000
    placed = eg.Reconstruction(**{**vars(trained), "origin_nm": tuple(moved)})
    return open_models(viewer).add(
        OpenModel("stack", placed, LayerPlacement.of(stack_layer), source=weakref.ref(stack_layer))
    )


@pytest.fixture
def explore(viewer, model):
    """The controller of a docked Explore z."""
    widget = ExploreWidget(viewer)
    viewer.window.add_dock_widget(widget)
    return widget.controller


@pytest.fixture
def settle(qtbot):
    """Wait until a controller has had drawn what it was asked for."""

    def wait(controller):
        qtbot.waitUntil(lambda: not controller.busy, timeout=WAIT_MS)

    return wait
