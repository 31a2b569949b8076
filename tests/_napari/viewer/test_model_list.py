import pytest
from qtpy.QtWidgets import QWidget

from napari_emgauss._napari.controls.chooser import Chooser
from napari_emgauss._napari.controls.connections import Connections
from napari_emgauss._napari.viewer.model_list import ModelList
from napari_emgauss._napari.viewer.models import OpenModel, OpenModels
from napari_emgauss.io.store import JobMemory
from napari_emgauss.methods.emgauss import Draft
from napari_emgauss.methods.emgauss.setup import prepare


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


def test_the_newest_of_the_models_that_are_open_already_is_chosen(listed, models, trained):
    _, second = (models.add(OpenModel(name, trained)) for name in "ab")
    assert listed().model is second


def test_a_model_that_comes_is_chosen_and_the_one_before_when_it_goes(listed, models, trained):
    shown = listed()
    first = models.add(OpenModel("a", trained))
    assert shown.model is first
    second = models.add(OpenModel("b", trained))
    assert shown.model is second
    models.remove(second)
    assert shown.model is first


def test_a_model_that_is_asked_for_is_chosen_by_all_lists_that_show_one(listed, models, trained):
    first, _ = (models.add(OpenModel(name, trained)) for name in "ab")
    shown, start = listed(), listed(without="A new model")
    models.asked_for.emit(first)
    assert (shown.model, start.model) == (first, None)


def test_no_model_may_be_an_entry_of_its_own(listed, models, trained):
    start = listed(without="A new model", label=lambda model: f"Go on with {model.name}")
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


@pytest.fixture
def draft(stack):
    return OpenModel("a · draft", Draft(prepare(stack, device="cpu"), JobMemory()))


def test_what_had_chosen_a_draft_goes_over_to_its_model(listed, models, trained, draft):
    other = models.add(OpenModel("b", trained))
    models.add(draft)
    on_draft, on_other = listed(), listed(offers=lambda model: not model.is_draft)
    assert (on_draft.model, on_other.model) == (draft, other)
    model = OpenModel("a · balanced", trained)
    models.replace(draft, model)
    assert (on_draft.model, on_other.model) == (model, model)


def test_a_draft_takes_no_choice_and_is_not_listed_where_a_model_is_needed(listed, models, trained, draft):
    takes, needs = listed(), listed(offers=lambda model: not model.is_draft)
    other = models.add(OpenModel("b", trained))
    models.add(draft)
    assert (takes.model, needs.model) == (other, other)
    models.remove(other)
    assert (takes.model, needs.model) == (draft, None)
    with pytest.raises(AssertionError):
        str(draft.trained)
