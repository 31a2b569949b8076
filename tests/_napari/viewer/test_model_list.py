import pytest
from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.viewer.model_list import ModelList
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels


@pytest.fixture
def models():
    return OpenModels()


@pytest.fixture
def listed(qtbot, models):
    """Make a list in a widget."""
    made = []

    def make(**options):
        widget = QWidget()
        qtbot.addWidget(widget)
        made.append(widget)
        return ModelList(Chooser("A model."), models, Connections(widget), **options)

    return make


def test_models_that_are_open_already_are_listed(listed, models, trained):
    first, second = (models.add(OpenModel(name, trained)) for name in "ab")
    assert listed(otherwise=0).model is first
    assert listed().model is second


def test_the_chosen_model_stays_unless_the_newest_is_wanted(listed, models, trained):
    stays, takes = listed(), listed(take_newest=True)
    first = models.add(OpenModel("a", trained))
    second = models.add(OpenModel("b", trained))
    assert (stays.model, takes.model) == (first, second)
    models.remove(first)
    assert (stays.model, takes.model) == (second, second)


def test_no_model_may_be_an_entry_of_its_own(listed, models, trained):
    start = listed(without="A new model", label=lambda model: f"Go on with {model.name}", otherwise=0)
    model = models.add(OpenModel("a", trained))
    assert start.model is None
    assert [start.chooser.itemText(i) for i in range(2)] == ["A new model", "Go on with a"]
    start.chooser.choose(model)
    models.remove(model)
    assert start.model is None


def test_a_list_whose_widget_is_gone_follows_no_more(qtbot, models, trained):
    widget = QWidget()
    listed = ModelList(Chooser("A model."), models, Connections(widget))
    with qtbot.waitSignal(widget.destroyed, timeout=60_000):
        widget.deleteLater()
    models.add(OpenModel("a", trained))
    assert listed.model is None
