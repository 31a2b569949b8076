import pytest
from napari.settings import get_settings

from napari_emgauss._napari.training.curves import Curves


@pytest.fixture
def curves(qtbot):
    curves = Curves("Loss")
    qtbot.addWidget(curves)
    return curves


def colours(curves):
    pens = (curves._plain["linear"].pen, curves._loss.getAxis("left").pen())
    return [pen.color().name() for pen in pens]


def test_they_follow_the_theme(curves):
    appearance = get_settings().appearance
    appearance.theme = "dark"
    curves.clear()
    curves.set_plain_levels({"linear": 21.0, "flow+blur0.7": 22.0})
    dark = colours(curves)
    appearance.theme = "light"
    curves.take_theme()
    assert all(now != before for now, before in zip(colours(curves), dark, strict=True))


def test_their_background_is_the_theme_s(curves):
    curves.show()
    for colour in ("#101010", "#f0f0f0"):
        curves.setStyleSheet(f"QWidget {{ background-color: {colour}; }}")
        curves.take_theme()
        assert curves._loss.grab().toImage().pixelColor(2, 2).name() == colour


def test_linear_and_the_best_plain_interpolation_are_drawn(curves):
    curves.set_plain_levels({"linear": 21.0, "flow": 20.5, "flow+blur0.7": 22.0})
    assert {name: line.value() for name, line in curves._plain.items()} == {"linear": 21.0, "flow+blur0.7": 22.0}
    curves.clear()
    curves.set_plain_levels({"linear": 21.0, "flow": 20.5})
    assert list(curves._plain) == ["linear"]
    curves.clear()
    curves.set_plain_levels({})
    assert curves._plain == {}
