"""The models that are open in a viewer."""

import pytest
from napari.components import ViewerModel

from napari_emgauss._napari.viewer.models import OpenModel, OpenModels, open_models
from napari_emgauss._napari.viewer.virtual import VirtualVolume


@pytest.fixture
def viewer():
    return ViewerModel()


def test_a_name_that_is_taken_gets_a_number(trained):
    models = OpenModels()
    assert [models.add(OpenModel("stack", trained)).name for _ in range(3)] == ["stack", "stack [2]", "stack [3]"]


def test_widgets_are_told_what_comes_and_goes(trained):
    models, told = OpenModels(), []
    models.added.connect(lambda model: told.append(("added", model)))
    models.removed.connect(lambda model: told.append(("removed", model)))
    model = models.add(OpenModel("a", trained))
    models.remove(model)
    models.remove(model)
    assert told == [("added", model), ("removed", model)]
    assert len(models) == 0


def test_a_viewer_has_one_list(viewer):
    assert open_models(viewer) is open_models(viewer)
    assert open_models(viewer) is not open_models(ViewerModel())


def test_a_model_whose_file_was_opened_is_listed_once(viewer, trained):
    place = {"scale": (8, 8, 8), "units": ("nm",) * 3, "contrast_limits": (0, 255)}
    viewer.add_image(VirtualVolume(trained), name="before", **place)
    models = open_models(viewer)
    viewer.add_image(VirtualVolume(trained), name="after", **place)
    assert [model.name for model in models] == ["before"]
    assert models.of(trained) is next(iter(models))
