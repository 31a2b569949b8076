import numpy as np
import pytest
from scipy import fft

from napari_emgauss.metrics.fourier import fourier_shell_correlation
from napari_emgauss.metrics.maps import (
    contour_level,
    directional_correlation,
    half_shells,
    local_resolution,
    masked_correlation,
    radii,
    soft_mask,
    soft_sphere,
    with_random_phases,
)

N = 32
RNG = np.random.default_rng(0)


def low_passed(values, shell):
    return fft.irfftn(fft.rfftn(values) * (half_shells(N) <= shell), s=values.shape).astype(np.float32)


def noise():
    return RNG.standard_normal((N,) * 3).astype(np.float32)


def test_a_mask_alone_adds_nothing_once_it_is_corrected_for():
    mask = soft_sphere(N, 5.0)
    both = low_passed(noise(), 5)
    same = masked_correlation(both + 0.1 * noise(), both + 0.1 * noise(), mask, np.random.default_rng(1))
    assert same.corrected.correlation[1:5].min() > 0.8
    assert same.corrected.correlation[9:].mean() < 0.1 < same.masked.correlation[6]


def test_random_phases_keep_amplitudes_and_all_that_lies_below():
    values = noise()
    scrambled = with_random_phases(values, 6, np.random.default_rng(2))
    amplitudes = [np.abs(fft.rfftn(v)) for v in (values, scrambled)]
    inner = (half_shells(N) > 0) & (half_shells(N) < 15)
    assert np.allclose(*[a[inner] for a in amplitudes], rtol=1e-2, atol=1)
    curve = fourier_shell_correlation(values, scrambled).correlation
    assert curve[1:5].min() > 0.99
    assert np.abs(curve[8:]).max() < 0.2


@pytest.mark.parametrize("offset", [0, 1, 3e38])
def test_a_level_is_found_in_values_that_hardly_differ(offset):
    density = np.full((N, N, N), offset, np.float32)
    assert np.isfinite(contour_level(density))
    inside = radii(N) < 6
    density[inside] = np.nextafter(density, np.float32(np.inf))[inside]
    assert np.array_equal(density > contour_level(density), inside)


def test_a_mask_holds_the_molecule_and_little_else():
    molecule = soft_sphere(N, 6.0) + 0.02 * noise()
    molecule[2, 2, 2] = 3.0
    mask = soft_mask(molecule)
    assert mask[radii(N) < 6].min() == 1
    assert mask[radii(N) > 15].max() == 0
    assert mask[2, 2, 2] == 0


def test_directions_that_agree_are_told_from_those_that_do_not():
    common = noise()
    axis = fft.fftfreq(N)
    along = np.abs(axis)[:, None, None] > 0.5 * half_shells(N)[:, :, :] / N
    other = fft.irfftn(np.where(along, fft.rfftn(noise()), fft.rfftn(common)), s=common.shape)
    z, x = directional_correlation(common, other.astype(np.float32), [(1, 0, 0), (0, 0, 1)])
    assert x.correlation[2:14].min() > 0.9
    assert z.correlation[4:14].max() < 0.5


def test_resolution_is_finer_where_the_maps_agree_further():
    common, left = noise(), (np.arange(N) < N // 2)
    coarse = low_passed(common, 4)
    maps = [np.where(left, common, coarse) + 0.05 * noise() for _ in range(2)]
    found = local_resolution(*[m.astype(np.float32) for m in maps], 2.0, window_px=2.0)
    assert np.median(found[..., 2:8]) < 0.6 * np.median(found[..., 20:26])
    assert found.min() >= 4.0


def test_where_nothing_agrees_the_local_resolution_is_the_side_of_the_box():
    found = local_resolution(noise(), -noise(), 2.0, threshold=0.99)
    assert np.median(found) == 2.0 * N


def test_a_sphere_falls_from_1_to_0_over_its_edge():
    sphere = soft_sphere(N, 8.0, 4.0)
    assert sphere[radii(N) <= 8].min() == 1
    assert sphere[radii(N) >= 12].max() == 0
    assert sphere[16, 16, 26] == pytest.approx(0.5)


def test_the_contour_of_a_ball_in_noise_encloses_the_ball():
    ball = 3 * soft_sphere(32, 8.0)
    noisy = ball + 0.3 * np.random.default_rng(0).standard_normal(ball.shape)
    inside = noisy > contour_level(noisy.astype(np.float32))
    assert np.mean(inside == (ball > 1.5)) > 0.99
