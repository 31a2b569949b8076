import pytest

from napari_emgauss._napari.controls.chooser import Chooser


class Thing:
    pass


@pytest.fixture
def things():
    return [Thing() for _ in range(4)]


@pytest.fixture
def chooser(qtbot):
    chooser = Chooser("Choose one.")
    qtbot.addWidget(chooser)
    chooser.told = []
    chooser.changed.connect(lambda: chooser.told.append(chooser.item))
    return chooser


def entries(things):
    return [(f"thing {i}", thing) for i, thing in enumerate(things)]


def test_the_choice_stays_when_the_list_is_filled_anew(chooser, things):
    chooser.offer(entries(things[:3]))
    chooser.choose(things[1])
    chooser.offer([("another", things[3]), *entries(things[1:3])])
    assert chooser.item is things[1]
    assert chooser.told == [things[0], things[1]]


def test_if_the_chosen_one_is_gone_another_is_chosen_and_told(chooser, things):
    chooser.offer(entries(things[:3]))
    chooser.offer(entries(things[1:3]))
    assert chooser.item is things[1]
    chooser.choose(things[1])
    chooser.offer(entries([things[0], things[3]]), otherwise=-1)
    assert chooser.item is things[3]
    chooser.offer([])
    assert chooser.item is None
    assert chooser.told == [things[0], things[1], things[3], None]


def test_a_preferred_item_is_chosen_if_it_is_there(chooser, things):
    chooser.offer(entries(things[:2]))
    chooser.offer(entries(things[:3]), prefer=things[2])
    assert chooser.item is things[2]
    chooser.offer(entries(things[:3]), prefer=things[3])
    assert chooser.item is things[2]


def test_a_new_name_is_shown_but_is_no_change(chooser, things):
    chooser.offer([("old", things[0])])
    chooser.offer([("new", things[0])])
    assert chooser.currentText() == "new"
    assert chooser.told == [things[0]]


def test_what_the_user_chooses_is_told_once(chooser, things):
    chooser.offer(entries(things))
    chooser.setCurrentIndex(2)
    chooser.choose(things[2])
    assert chooser.told == [things[0], things[2]]
    assert chooser.items == things


def test_of_a_long_name_both_ends_are_drawn(chooser):
    chooser.offer([("a stack with a name that is far too long for a dock · balanced", 1)])
    shown = chooser.shown_text(150)
    assert shown.startswith("a stack")
    assert shown.endswith("balanced")
    assert "…" in shown
    assert chooser.shown_text(5000) == chooser.currentText()
