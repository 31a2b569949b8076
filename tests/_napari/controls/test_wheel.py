import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QComboBox, QSlider, QSpinBox, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.scroll import VerticalScroll
from napari_emgauss._napari.controls.wheel import WheelGuard


@pytest.fixture
def fields(qtbot):
    """A number, a choice and a slider in a scroll area that is scrolls."""
    inner = QWidget()
    inner.setMinimumHeight(1000)
    layout = QVBoxLayout(inner)
    number, choice, slider = QSpinBox(), QComboBox(), QSlider()
    choice.addItems(["a", "b", "c"])
    for field in (number, choice, slider):
        layout.addWidget(field)
    view = QWidget()
    QVBoxLayout(view).addWidget(VerticalScroll(inner))
    view.resize(200, 200)
    WheelGuard(view)
    qtbot.addWidget(view)
    view.show()
    qtbot.waitExposed(view)
    yield number, choice, slider
    view.hide()


def turned_over(widget):
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle,
        QPointF(widget.mapToGlobal(middle.toPoint())),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)
    return event


def test_the_wheel_scrolls_past_fields_that_have_no_focus(fields):
    number, choice, slider = fields
    number.setValue(5)
    slider.setValue(5)
    for field in (number, choice, slider):
        assert not turned_over(field).isAccepted()  # Qt passes it on to what the field lies in
    assert (number.value(), choice.currentIndex(), slider.value()) == (5, 0, 5)


def test_a_field_with_focus_takes_the_wheel(fields, monkeypatch):
    number, *_ = fields
    number.setValue(5)
    monkeypatch.setattr(number, "hasFocus", lambda: True)
    assert turned_over(number).isAccepted()
    assert number.value() == 4
