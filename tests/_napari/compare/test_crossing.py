"""The place that Compare looks at."""

import pytest

from napari_emgauss._napari.compare.crossing import Crossing


def test_it_begins_at_a_held_out_section_or_between_two(trained, trained_in_part):
    assert Crossing.first(trained_in_part) == Crossing(z=2, y=24, x=20)
    assert Crossing.first(trained) == Crossing(z=2.5, y=24, x=20)


def test_it_stays_within_the_stack():
    moved = Crossing(z=1, y=2, x=3).moved((5, 48, 40), z=9, y=-1, x=1e9)
    assert moved == Crossing(z=4, y=0, x=39)
    assert moved.moved((5, 48, 40), x=3.4) == Crossing(z=4, y=0, x=3)


def test_only_the_panes_across_the_moved_axis_change():
    before = Crossing(z=1, y=2, x=3)
    assert Crossing(z=1.5, y=2, x=3).panes_changed(before) == {"xy"}
    assert Crossing(z=1, y=4, x=5).panes_changed(before) == {"xz", "yz"}
    assert (before.index("xz"), before.index("yz")) == (2, 3)


@pytest.mark.parametrize(("z", "words"), [(2, "held out"), (3.25, "between sections 3 and 4"), (1, "trained on")])
def test_it_says_where_it_is(trained_in_part, z, words):
    assert words in Crossing(z=z).describe(trained_in_part)
    assert Crossing(z=z).describe(trained_in_part).startswith(f"{48 * z:.0f} nm deep: ")
