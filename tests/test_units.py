"""Lengths in nanometres from whatever unit is stated; bytes and durations as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_emgauss.units import about_duration, format_bytes, format_duration, length_nm, nm_per_unit

SPELLINGS = {
    0.1: ["Å", "\u212b", "angstrom", "Angstrom", "angstroms"],
    1.0: ["nm", "NM", " nm ", "nanometer", "nanometre", "nanometers"],
    1e3: ["um", "\u00b5m", "\u03bcm", "\\u00B5m", "\\u00b5m", "micron", "microns", "Micrometer"],
    1e6: ["mm", "millimeter"],
    1e7: ["cm"],
    2.54e7: ["inch", "in", "inches"],
    1e9: ["m", "metre"],
}


@pytest.mark.parametrize(("nm", "unit"), [(nm, unit) for nm, units in SPELLINGS.items() for unit in units])
def test_every_spelling_of_a_unit_is_known(nm, unit):
    assert nm_per_unit(unit) == nm


@pytest.mark.parametrize("unit", ["pm", "angstrom", "nm", "µm", "micron", "mm", "cm", "m", "inch"])
def test_what_napari_calls_a_unit_is_known(unit):
    pint = pytest.importorskip("pint")
    length = pint.Quantity(1, unit)
    assert nm_per_unit(str(length.units)) == pytest.approx(length.to("nm").magnitude)


@pytest.mark.parametrize("unit", ["", "pixel", "px", "reference frame", None, 3, "parsec"])
def test_other_units_are_unknown_rather_than_guessed(unit):
    assert nm_per_unit(unit) is None


@given(st.one_of(st.floats(), st.text(), st.none()), st.one_of(st.sampled_from(["nm", "Å", "m"]), st.text()))
def test_a_length_is_positive_and_finite_or_unknown(value, unit):
    length = length_nm(value, unit)
    assert length is None or (length > 0 and math.isfinite(length))


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (2880, "2.88 kB"),
        (999_999, "1 MB"),
        (144e6, "144 MB"),
        (3.2e9, "3.2 GB"),
        (1.5e12, "1.5 TB"),
    ],
)
def test_bytes_are_read_with_three_digits(n, text):
    assert format_bytes(n) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "under 1 s"),
        (45.4, "45 s"),
        (59.9, "1 min 0 s"),
        (200, "3 min 20 s"),
        (700, "12 min"),
        (3599, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_duration_is_read_in_one_or_two_units(seconds, text):
    assert format_duration(seconds) == text
    assert about_duration(seconds) == (text if text.startswith("under") else f"about {text}")
