import numpy as np

from napari_emgauss.methods.gem.resolution import map_resolution
from napari_emgauss.metrics.maps import half_shells, soft_sphere

N = 32


def maps(seed, noisy=3.0):
    """A molecule, two plain maps with noise of their own, and two smoothed ones that share a bias."""
    rng = np.random.default_rng(seed)
    molecule = soft_sphere(N, 8.0) * np.random.default_rng(9).standard_normal((N,) * 3)
    falling = np.exp(-((half_shells(N) / 7) ** 2))
    true = np.fft.irfftn(np.fft.rfftn(molecule, axes=(0, 1, 2)) * falling, s=(N,) * 3, axes=(0, 1, 2))
    shared = 0.5 * true.std() * soft_sphere(N, 8.0) * rng.standard_normal((N,) * 3)
    noise = [noisy * true.std() * rng.standard_normal((N,) * 3) for _ in range(2)]
    plain = [(true + own).astype(np.float32) for own in noise]
    biased = [(true + shared + 0.1 * own).astype(np.float32) for own in noise]
    return (biased[0], biased[1]), (plain[0], plain[1])


def test_halves_that_share_a_bias_agree_further_than_the_cross_correlation_claims():
    found = map_resolution(*maps(0), 2.0)
    assert found.at("gaussians", 0.143) < 0.8 * found.angstrom
    assert "no measure of resolution" in found.table()


def test_the_table_and_the_figure_show_all_curves(tmp_path):
    found = map_resolution(*maps(1), 2.0)
    table = found.table()
    assert all(word in table for word in ("unmasked", "masked", "corrected", "0.143", "back-projection"))
    assert f"{found.angstrom:.2f}" in table
    assert found.figure(tmp_path / "fsc.png").stat().st_size > 1000


def test_a_map_that_is_known_less_along_one_direction_is_told_in_table_and_figure(tmp_path):
    gaussians, plain = maps(2, noisy=0.5)
    z = np.abs(np.fft.fftfreq(N, 1 / N))[:, None, None]
    cone = (z > 0.8 * half_shells(N)) & (half_shells(N) > 3)
    spectra = [np.where(cone, 0, np.fft.rfftn(own, axes=(0, 1, 2))) for own in plain]
    lacking = [np.fft.irfftn(own, s=(N,) * 3, axes=(0, 1, 2)).astype(np.float32) for own in spectra]
    found = map_resolution(gaussians, (lacking[0], lacking[1]), 2.0, directional=True)
    along = found.along_angstrom
    assert len(along) == 13
    assert along["z"] > 1.5 * max(along["x"], along["y"])
    assert along["z"] > 1.5 * np.median(list(along.values()))
    assert f"z {along['z']:.2f}; of all from" in found.table()
    assert found.figure(tmp_path / "fsc.png").stat().st_size > 1000


def test_halves_that_do_not_agree_are_told_in_words_and_not_in_a_table_of_infinities(tmp_path):
    rng = np.random.default_rng(0)
    first, second, third, fourth = (rng.standard_normal((N,) * 3).astype(np.float32) for _ in range(4))
    found = map_resolution((first, -second), (third, -fourth), 2.0)
    curves = found.curves
    for one in curves.values():
        for kind in ("unmasked", "masked", "corrected"):
            getattr(one, kind).correlation[:] = -0.1
    assert not np.isfinite(found.angstrom)
    assert found.table().startswith("No resolution could be measured: the halves do not agree")
    assert "inf" not in found.table()
    curves["plain"].masked.correlation[:6] = 1  # a table where something was reached
    assert "–" in found.table()
    assert "inf" not in found.table()
    assert found.figure(tmp_path / "fsc.png").stat().st_size > 1000
