import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_emgauss._napari.reconstruct.stack.indices import format_sections, parse_sections, spread
from napari_emgauss.errors import ConfigError


@given(st.sets(st.integers(0, 500), max_size=20))
def test_sections_survive_writing_and_reading(indices):
    assert parse_sections(format_sections(tuple(sorted(indices)))) == tuple(sorted(indices))


def test_ranges_are_read():
    assert parse_sections(" 3, 7-9;12") == (3, 7, 8, 9, 12)
    assert parse_sections("") == ()


@pytest.mark.parametrize("text", ["a", "3-", "9-7", "1-2-3", "-4", "1.5", "99999999999"])
def test_anything_else_is_explained(text):
    with pytest.raises(ConfigError, match="section"):
        parse_sections(text)


def test_held_out_sections_are_spread_between_the_ends_and_away_from_damaged_ones():
    assert spread(12, 4, left_out=()) == (2, 6, 10)
    assert spread(12, 4, left_out=(7,)) == (2, 10)
    assert spread(12, 0, left_out=()) == ()
