import pytest
from qtpy.QtCore import QPoint, Qt

from napari_emgauss._napari.explore.view import ExploreView


@pytest.fixture
def marks(qtbot):
    """The strip below the slider of nine sections."""
    view = ExploreView()
    qtbot.addWidget(view)
    view.show_sections(9, step=0.1, held_out=(4,), left_out=(6, 7))
    view.resize(400, 300)
    view.show()
    return view.marks


def test_a_click_goes_to_the_nearest_section(marks, qtbot):
    chosen = []
    marks.chosen.connect(chosen.append)
    for section in (0, 3.3, 8):
        qtbot.mouseClick(marks, Qt.MouseButton.LeftButton, pos=QPoint(round(marks.position_px(section)), 5))
    assert chosen == [0, 3, 8]


def test_the_tooltip_says_what_the_marks_are(marks):
    assert marks.toolTip() == (
        "Marks: the 6 sections trained on; rings: 1 held out to check the result; crosses: 2 left out as damaged. "
        "Click to go to a section."
    )
