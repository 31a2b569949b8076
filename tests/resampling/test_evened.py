"""Sections that are mixed with what lies beside them, where they were observed."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_emgauss.resampling.evened import REACH, SHARE, WITHIN, EvenedSections


def evened(profile, observed=(0, 1, 2, 3, 4)):
    """Sections of 2 × 3 pixels, whose intensity along z is ``profile``."""

    def render(z, *, region=None, zoom=1.0):
        return np.full((2, 3), profile(z), np.float32)

    def lines(zs, *, axis, index):
        return np.stack([np.full(3 if axis == 1 else 2, profile(z), np.float32) for z in zs])

    source = SimpleNamespace(render=render, lines=lines, z_range=(0.0, 4.0), record={"preset": "fast"})
    return EvenedSections(source, observed)


def noisy(z):
    """What is 1 at observed sections alone."""
    return float(abs(z - round(z)) < 0.01)


@pytest.mark.parametrize(
    ("z", "value"), [(2, 1 - SHARE), (2 + WITHIN, 0), (2.5, 0), (3 - WITHIN, 0), (0, 1), (4, 1), (3, 1)]
)
def test_observed_sections_are_mixed_but_the_first_the_last_and_what_lies_between_are_not(z, value):
    sections = evened(noisy, observed=(0, 1, 2, 4))  # section 3 was left out: it was predicted as well
    assert sections.render(z) == pytest.approx(value)


def test_what_changes_evenly_along_z_stays_as_it_is():
    sections = evened(lambda z: 3 * z - 1)
    for z in np.linspace(0, 4, 41):
        assert sections.render(float(z)) == pytest.approx(3 * z - 1, abs=1e-5)


@pytest.mark.parametrize("axis", [1, 2])
def test_lines_are_those_of_the_sections(axis):
    sections, zs = evened(lambda z: np.sin(7 * z)), [0.0, REACH, 0.95, 1.0, 2.1, 4.0]
    drawn = np.stack([sections.render(z).take(0, axis - 1) for z in zs])
    assert np.allclose(sections.lines(zs, axis=axis, index=0), drawn, atol=1e-6)


def test_the_record_says_so():
    assert evened(noisy).record == {"preset": "fast", "evened": True}
