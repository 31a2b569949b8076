from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_emgauss._napari.controls.scroll import VerticalScroll


def test_a_part_is_scrolled_to_the_top(qtbot):
    inner = QWidget()
    layout = QVBoxLayout(inner)
    parts = [QLabel(str(i)) for i in range(10)]
    for part in parts:
        part.setFixedHeight(100)
        layout.addWidget(part)
    scroll = VerticalScroll(inner)
    qtbot.addWidget(scroll)
    scroll.resize(100, 300)
    scroll.show()
    qtbot.waitExposed(scroll)
    scroll.show_part(parts[4])
    assert abs(parts[4].mapTo(scroll, parts[4].rect().topLeft()).y()) <= 1


def test_a_part_that_is_pushed_down_while_the_layout_follows_ends_at_the_top(qtbot):
    inner = QWidget()
    layout = QVBoxLayout(inner)
    parts = [QLabel(str(i)) for i in range(10)]
    for part in parts:
        part.setFixedHeight(100)
        layout.addWidget(part)
    parts[0].hide()
    scroll = VerticalScroll(inner)
    qtbot.addWidget(scroll)
    scroll.resize(100, 300)
    scroll.show()
    qtbot.waitExposed(scroll)
    parts[0].show()
    scroll.show_part(parts[4])
    qtbot.waitUntil(lambda: parts[0].height() == 100 and abs(parts[4].mapTo(scroll, QPoint(0, 0)).y()) <= 1)
