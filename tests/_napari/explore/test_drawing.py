import pytest

import napari_emgauss as eg
from napari_emgauss._napari.explore.drawing import draw
from napari_emgauss._napari.explore.scrub import Drawing
from napari_emgauss.phantoms import phantom


def test_moving_sections_are_merged_at_one_of_two_resolutions():
    """Merging takes longer than drawing, and the resolution that keeps up is found in many small steps."""
    rec = eg.reconstruct(phantom((13, 160, 176), seed=1).every(6), preset="fast", newton_steps=1)
    merged = {}
    for detail in (1, 0.9, 0.8, 0.64, 0.5, 0.7, 1):
        picture = Drawing(0.5, (0, 160, 0, 176), 0.25 * detail, moving=True)
        draw(rec, picture, density=0.25, merged=merged, with_error=False)
    fine, coarse = sorted(merged)
    assert coarse == pytest.approx(2 * fine)
