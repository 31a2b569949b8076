"""Widgets that are open while a second model comes."""

from napari_emgauss._napari.compare.widget import CompareWidget
from napari_emgauss._napari.explore.widget import ExploreWidget
from napari_emgauss._napari.export.widget import ExportWidget
from napari_emgauss._napari.viewer.models import OpenModel, open_models


def test_the_newest_is_shown_everywhere(viewer, trained):
    first = open_models(viewer).add(OpenModel("first", trained))
    docked = [kind(viewer) for kind in (ExploreWidget, CompareWidget, ExportWidget)]
    for widget in docked:
        viewer.window.add_dock_widget(widget)
    assert {widget.controller.model for widget in docked} == {first}
    second = open_models(viewer).add(OpenModel("second", trained))
    assert {widget.controller.model for widget in docked} == {second}
