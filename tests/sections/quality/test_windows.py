"""Windows in which sections are looked at."""

import numpy as np
import pytest

from napari_emgauss.sections.quality.windows import places, read_windows, windows_of
from napari_emgauss.volume import Volume


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((40, 50), [[(0, 40, 0, 50)]]),
        ((64, 129), [[(0, 64, 16, 48), (0, 64, 81, 113)]]),
        ((128, 100), [[(32, 96, 18, 82)]]),
        ((200, 400), [[(34, 66, 84, 116), (34, 66, 284, 316)], [(134, 166, 84, 116), (134, 166, 284, 316)]]),
    ],
)
def test_a_section_is_seen_whole_or_in_its_middle_or_at_places_along_its_long_sides(shape, expected):
    assert places(shape, 64) == expected


def test_windows_show_the_section_at_its_places():
    sections = np.random.default_rng(0).integers(0, 255, (2, 150, 200)).astype(np.uint8)
    windows = read_windows(Volume(sections, (40, 4, 4)), 1, 64)
    assert windows.dtype == np.float32
    assert np.array_equal(windows, windows_of(sections[1], 64))
    for row, regions in zip(windows, places((150, 200), 64), strict=True):
        for window, (y0, y1, x0, x1) in zip(row, regions, strict=True):
            assert np.array_equal(window, sections[1, y0:y1, x0:x1])
