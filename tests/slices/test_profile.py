import numpy as np
import pytest

from napari_emgauss.errors import ConfigError
from napari_emgauss.slices import PROFILES, SliceProfile

SPACING = np.array([3.3, 1.1, 1.2])


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("n", [(7, 2, 2), (15, 3, 1)])
def test_nodes_have_the_variance_of_the_profile(name, n):
    offsets, weights = PROFILES[name].nodes(SPACING, 3.0, n)
    sigma = PROFILES[name].sigma_mm(SPACING, 3.0)
    axes = np.array(n) > 1
    assert weights.sum() == pytest.approx(1)
    assert weights @ offsets == pytest.approx(np.zeros(3), abs=1e-12)
    assert (weights @ offsets**2)[axes] == pytest.approx(sigma[axes] ** 2)


def test_a_gaussian_of_one_thickness_is_half_as_high_at_half_a_thickness():
    sigma = SliceProfile().sigma_mm(SPACING, 3.0)[0]
    assert np.exp(-0.5 * (1.5 / sigma) ** 2) == pytest.approx(0.5)


def test_nodes_of_a_box_fill_its_width():
    offsets, weights = SliceProfile(through="box").nodes(SPACING, 3.0, (60, 1, 1))
    assert np.ptp(offsets[:, 0]) == pytest.approx(3.0, rel=0.02)
    assert np.allclose(weights, weights[0])


@pytest.mark.parametrize("name", PROFILES)
def test_gaussians_have_the_variance_of_the_profile_and_weaken_waves_as_it_does(name):
    depths, variances = PROFILES[name].gaussians(SPACING, 3.0)
    through = np.mean(depths**2) + variances[0]
    assert np.array([through, *variances[1:]]) * SPACING**2 == pytest.approx(PROFILES[name].sigma_mm(SPACING, 3.0) ** 2)
    offsets, weights = PROFILES[name].nodes(SPACING, 3.0, (301, 1, 1))
    for wavelength_mm in (12.0, 6.0, 3.0):
        phase = 2 * np.pi / wavelength_mm
        made = np.mean(np.cos(phase * depths * SPACING[0])) * np.exp(-0.5 * variances[0] * (phase * SPACING[0]) ** 2)
        assert made == pytest.approx(weights @ np.cos(phase * offsets[:, 0]), abs=0.02)


@pytest.mark.misuse
@pytest.mark.parametrize("wrong", [{"through_scale": 0.0}, {"in_plane_scale": -1.0}, {"through": "sinc"}])
def test_an_impossible_profile_is_refused(wrong):
    with pytest.raises(ConfigError):
        SliceProfile(**wrong)
