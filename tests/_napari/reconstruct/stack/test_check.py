import numpy as np
import pytest
from napari.components import ViewerModel

from napari_emgauss._napari.reconstruct.stack.check import SectionCheck
from napari_emgauss._napari.reconstruct.stack.check_panel import CheckPanel
from napari_emgauss._napari.reconstruct.stack.choice import StackChoice
from napari_emgauss._napari.reconstruct.stack.form import StackForm
from napari_emgauss.phantoms import phantom

WAIT_MS = 180_000


@pytest.fixture
def form(qtbot):
    form = StackForm()
    qtbot.addWidget(form)
    return form


@pytest.fixture
def viewer():
    """Without a window: nothing here needs one."""
    return ViewerModel()


@pytest.fixture
def choice(form, viewer):
    return StackChoice(form, viewer)


@pytest.fixture
def panel(qtbot):
    panel = CheckPanel()
    qtbot.addWidget(panel)
    return panel


@pytest.fixture
def check(panel, choice):
    return SectionCheck(panel, choice)


def stack_with_blank_sections(*blank):
    data = np.array(phantom((49, 64, 64), seed=2).every(6).data)
    data[list(blank)] = 0
    return data


def checked(panel, qtbot):
    panel.button.click()
    qtbot.waitUntil(lambda: panel.found.text() not in ("", "Checking…"), timeout=WAIT_MS)


def test_damaged_sections_are_listed_and_left_out_when_that_is_accepted(check, panel, form, choice, viewer, qtbot):
    viewer.add_image(stack_with_blank_sections(4), scale=(48, 8, 8), units=("nm",) * 3)
    form.leave_out_edit.setText("1")
    checked(panel, qtbot)
    assert panel.found.text().startswith("Section 4: ")
    assert panel.accept.text() == "Leave out 4"
    panel.accept.click()
    assert choice.leave_out == (1, 4)
    assert not panel.accept.isVisibleTo(panel)


def test_nothing_is_offered_where_nothing_stands_out(check, panel, viewer, qtbot):
    viewer.add_image(stack_with_blank_sections(), scale=(48, 8, 8), units=("nm",) * 3)
    checked(panel, qtbot)
    assert panel.found.text() == "None of the 9 sections stands out."
    assert not panel.accept.isVisibleTo(panel)


def test_findings_go_with_their_layer(check, panel, form, viewer, qtbot):
    viewer.add_image(stack_with_blank_sections(4), name="damaged", scale=(48, 8, 8), units=("nm",) * 3)
    other = viewer.add_image(stack_with_blank_sections(), name="other", scale=(48, 8, 8), units=("nm",) * 3)
    checked(panel, qtbot)
    form.layers.choose(other)
    assert not panel.found.isVisibleTo(panel)
    assert not panel.accept.isVisibleTo(panel)
