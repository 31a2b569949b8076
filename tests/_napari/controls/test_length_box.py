import pytest
from qtpy.QtCore import QPoint, Qt

from napari_emgauss._napari.controls.length_box import LengthBox


@pytest.fixture
def box(qtbot):
    box = LengthBox("z")
    qtbot.addWidget(box)
    return box


def test_a_length_is_shown_without_needless_digits(box):
    box.setValue(48)
    assert box.text() == "z 48"
    box.setValue(4.25)
    assert box.text() == "z 4.25"


@pytest.mark.parametrize("typed", ["4.5", "4,5"])
def test_a_comma_may_be_typed_for_the_point(qtbot, box, typed):
    box.selectAll()
    qtbot.keyClicks(box, typed)
    assert box.value() == 4.5


def test_an_unknown_length_is_asked_for(box):
    assert box.text() == "z?"


@pytest.mark.parametrize(
    ("typed", "nm"), [("2 µm", 2000), ("0,05um", 50), ("48 nm", 48), ("2 µ", 2), ("2 km", 2), ("1e-1 µm", 100)]
)
def test_a_unit_may_be_typed_after_the_number(qtbot, box, typed, nm):
    box.selectAll()
    qtbot.keyClicks(box, typed)
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert (box.value(), box.text()) == (nm, f"z {nm}")


@pytest.mark.parametrize("x_px", [3, 12, 40])
def test_what_is_typed_after_a_click_takes_the_place_of_the_question(box, qtbot, x_px):
    box.show()
    for _ in range(2):  # a second click finds the cursor where the first one has put it
        qtbot.mouseClick(box.lineEdit(), Qt.MouseButton.LeftButton, pos=QPoint(x_px, 8))
    qtbot.keyClicks(box, "48")
    assert box.value() == 48


def test_powers_of_ten_are_understood_as_they_are_typed(box, qtbot):
    box.selectAll()
    qtbot.keyClicks(box, "1e3")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert box.value() == 1000
    box.selectAll()
    qtbot.keyClicks(box, "4.5e-1x")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert box.value() == 0.45
