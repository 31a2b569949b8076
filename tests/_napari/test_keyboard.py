"""Every widget by keyboard, and to those who listen instead of looking."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QLabel, QLineEdit, QListWidget, QPushButton, QSlider

from napari_emgauss._napari.assistant.view import AssistantView
from napari_emgauss._napari.compare.view import CompareView
from napari_emgauss._napari.explore.view import ExploreView
from napari_emgauss._napari.export.view import ExportView
from napari_emgauss._napari.reconstruct.view import ReconstructView

VIEWS = (AssistantView, ReconstructView, ExploreView, CompareView, ExportView)


@pytest.fixture
def shown(qtbot):
    def make(kind):
        view = kind()
        qtbot.addWidget(view)
        view.show()
        qtbot.waitExposed(view)
        return view

    return make


def stops(view):
    """Widgets that the tab key reaches."""
    widget, found = view.nextInFocusChain(), []
    while widget is not view:
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisibleTo(view) and widget.isEnabled():
            found.append(widget)
        widget = widget.nextInFocusChain()
    return found


def test_the_folded_settings_are_no_stops_until_they_are_shown(shown):
    view = shown(ReconstructView)
    form = view.settings
    assert not any(form.advanced.isAncestorOf(w) and w in form._fields.values() for w in stops(view))
    form.advanced.expand(animate=False)
    assert form._fields["tile_px"] in stops(view)
    form.advanced.collapse(animate=False)
    assert form._fields["tile_px"] not in stops(view)


@pytest.mark.parametrize("kind", VIEWS)
def test_every_field_has_a_name_that_is_read_aloud(shown, kind):
    view, nameless = shown(kind), []
    for field_kind in (QAbstractSpinBox, QComboBox, QLineEdit, QListWidget, QPushButton, QSlider):
        for field in view.findChildren(field_kind):
            if isinstance(field.parent(), QAbstractSpinBox | QComboBox):
                continue
            if isinstance(field, QPushButton) and not field.isVisibleTo(view):
                continue  # some get their text when they are shown
            if not is_named(field, view) and not (
                type(field.parent()).__name__.startswith("QLabeled") and is_named(field.parent(), view)
            ):
                nameless.append((type(field).__name__, field.objectName(), field.toolTip()))
    assert nameless == []


def is_named(widget, view):
    """Tell whether Qt has a name to tell for a widget: its own, its text, or that of the label beside it."""
    own = widget.accessibleName() or (widget.text() if isinstance(widget, QPushButton) else "")
    return bool(own) or any(label.buddy() is widget and label.text() for label in view.findChildren(QLabel))


def test_the_slider_of_explore_takes_arrow_and_page_keys_and_home_and_end(shown, qtbot):
    view = shown(ExploreView)
    view.show_sections(11, step=1 / 6, held_out=(), left_out=())
    moves = []
    view.moved.connect(moves.append)
    keys = {
        Qt.Key.Key_Right: 1 / 6,
        Qt.Key.Key_PageUp: 1 / 6 + 1,
        Qt.Key.Key_PageDown: 1 / 6,
        Qt.Key.Key_Left: 0,
        Qt.Key.Key_End: 10,
        Qt.Key.Key_Home: 0,
    }
    groove = next(iter(view.slider.findChildren(QSlider)))
    for key, z in keys.items():
        qtbot.keyClick(groove, key)
        assert moves[-1] == pytest.approx(z, abs=0.01)


def test_enter_trains_from_the_button_and_ctrl_enter_from_everywhere(shown, qtbot):
    view, trained = shown(ReconstructView), []
    view.panel.train.connect(lambda: trained.append(1))
    qtbot.keyClick(view.panel.train_button, Qt.Key.Key_Return)
    assert trained == [1]
    view.activateWindow()
    qtbot.waitActive(view)
    view.stack.leave_out_edit.setFocus()
    qtbot.keyClick(view.stack.leave_out_edit, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert trained == [1, 1]


@pytest.mark.parametrize("kind", VIEWS)
def test_nothing_is_cut_off_in_a_small_window(shown, kind):
    """A dock beside napari's own in a window of 1000 × 700 has some 340 px."""
    assert shown(kind).minimumSizeHint().width() <= 360
