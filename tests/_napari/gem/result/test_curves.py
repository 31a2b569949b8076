import numpy as np
import pytest

from napari_emgauss._napari.gem.result.curves import curves_of
from napari_emgauss.methods.gem.resolution import CROSS, map_resolution
from napari_emgauss.phantoms import phantom_molecule

BOX, PIXEL = 24, 7.0


@pytest.fixture(scope="module")
def halves():
    rng = np.random.default_rng(0)
    truth = phantom_molecule(300).map(BOX, PIXEL)
    noise = 0.3 * truth.std() * rng.standard_normal((4, *truth.shape))
    return [np.asarray(truth + own, np.float32) for own in noise]


def test_the_resolution_is_the_cross_correlation_s_and_the_warning_comes_with_what_misleads(halves):
    plain = halves[2], halves[3]
    at_first = curves_of(map_resolution((None, None), plain, PIXEL))
    assert [curve.name for curve in at_first.curves] == ["plain"]
    assert at_first.warning == ""
    first_half = curves_of(map_resolution((halves[0], None), plain, PIXEL))
    assert {curve.name for curve in first_half.curves} == {"masked", "unmasked", "plain"}
    assert first_half.warning == ""
    resolution = map_resolution((halves[0], halves[1]), plain, PIXEL)
    both = curves_of(resolution)
    assert "no measure of resolution" in both.warning
    assert f"Resolution <b>{resolution.angstrom:.3g} Å</b>" in both.verdict
    assert f"{resolution.at(CROSS, 0.143):.3g} Å masked" in both.verdict
    assert f"{resolution.at(CROSS, 0.143, masked='unmasked'):.3g} Å unmasked" in both.verdict
    assert both.highest == pytest.approx(1 / (2 * PIXEL))
