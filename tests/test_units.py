"""Lengths in nanometres from whatever unit is stated."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_emgauss.errors import VoxelSizeError
from napari_emgauss.units import length_nm, nm_per_unit, resolve_voxel_size

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


@pytest.mark.parametrize("unit", ["", "pixel", "px", "reference frame", None, 3, "parsec"])
def test_other_units_are_unknown_rather_than_guessed(unit):
    assert nm_per_unit(unit) is None


@given(st.one_of(st.floats(), st.text(), st.none()), st.one_of(st.sampled_from(["nm", "Å", "m"]), st.text()))
def test_a_length_is_positive_and_finite_or_unknown(value, unit):
    length = length_nm(value, unit)
    assert length is None or (length > 0 and math.isfinite(length))


def test_the_error_says_what_was_found_and_what_to_pass():
    with pytest.raises(VoxelSizeError) as caught:
        resolve_voxel_size((None, 4.0, 4.0), None, path=Path("a.tif"))
    message = str(caught.value)
    for words in ("a.tif", "y = 4 nm, x = 4 nm", "z missing", "--voxel-size-nm 40 4 4", "voxel_size_nm=(40, 4, 4)"):
        assert words in message


@pytest.mark.parametrize("given_nm", [(0, 4, 4), (40, 4), (40, math.nan, 4), "abc", 4, (-1, 1, 1)])
def test_an_impossible_voxel_size_from_the_caller_is_an_error(given_nm):
    with pytest.raises(VoxelSizeError, match="--voxel-size-nm"):
        resolve_voxel_size((40, 4, 4), given_nm, path=Path("a.tif"))
