import numpy as np
import pytest
import torch

from napari_emgauss.forward.ctf import ctf, frequencies, wavelength_angstrom
from napari_emgauss.particles import CtfParameters


def parameters(**changes):
    values = {
        "defocus_u_angstrom": 15301.1,
        "defocus_v_angstrom": 14916.4,
        "defocus_angle_deg": 5.28,
        "voltage_kv": 300.0,
        "cs_mm": 2.7,
        "amplitude_contrast": 0.07,
        "phase_shift_deg": 0.0,
        "b_factor": 0.0,
    }
    return CtfParameters(**{name: np.array([value]) for name, value in (values | changes).items()})


def at(x, y=0.0):
    return torch.tensor([[x], [y]], dtype=torch.float64)


def test_it_is_the_amplitude_contrast_where_there_is_no_frequency():
    assert float(ctf(parameters(), at(0.0))) == pytest.approx(0.07)


def test_it_equals_the_formula_of_cryodrgn_with_the_opposite_sign():
    # Values of cryodrgn's compute_ctf for these parameters, written out in plain numbers.
    x, y = 0.03, -0.05
    volt, cs = 300e3, 2.7e7
    lam = 12.2639 / np.sqrt(volt + 0.97845e-6 * volt**2)
    s2, angle = x * x + y * y, np.arctan2(y, x)
    df = 0.5 * (15301.1 + 14916.4 + (15301.1 - 14916.4) * np.cos(2 * (angle - np.deg2rad(5.28))))
    gamma = 2 * np.pi * (-0.5 * df * lam * s2 + 0.25 * cs * lam**3 * s2**2)
    theirs = np.sqrt(1 - 0.07**2) * np.sin(gamma) - 0.07 * np.cos(gamma)
    assert float(ctf(parameters(), at(x, y))) == pytest.approx(-theirs, abs=1e-9)


def test_wavelengths_are_those_of_the_tables():
    assert wavelength_angstrom(torch.tensor([100.0, 200.0, 300.0])).tolist() == pytest.approx(
        [0.03701, 0.02508, 0.01969], abs=2e-5
    )


def test_a_phase_plate_of_90_degrees_turns_sine_into_cosine():
    plain = parameters(amplitude_contrast=0.0, cs_mm=0.0)
    shifted = parameters(amplitude_contrast=0.0, cs_mm=0.0, phase_shift_deg=90.0)
    squares = ctf(plain, at(0.04)) ** 2 + ctf(shifted, at(0.04)) ** 2
    assert float(squares) == pytest.approx(1)
    assert float(ctf(shifted, at(0.0))) == pytest.approx(1)


def test_the_envelope_falls_as_its_b_factor_says():
    ratio = ctf(parameters(b_factor=80.0), at(0.1)) / ctf(parameters(), at(0.1))
    assert float(ratio) == pytest.approx(np.exp(-80 * 0.1**2 / 4))


def test_phase_flipped_images_see_its_absolute_value():
    grid = frequencies(32, 2.0)
    assert torch.equal(ctf(parameters(), grid, phase_flipped=True), ctf(parameters(), grid).abs())


def test_a_change_of_defocus_is_added_to_both():
    changed = ctf(parameters(), at(0.05, 0.02), defocus_change_angstrom=torch.tensor([100.0]))
    direct = ctf(parameters(defocus_u_angstrom=15401.1, defocus_v_angstrom=15016.4), at(0.05, 0.02))
    assert float(changed) == pytest.approx(float(direct))


def test_frequencies_are_x_then_y():
    grid = frequencies(8, 2.0)
    assert grid.shape == (2, 8, 5)
    assert grid[0, 0].tolist() == pytest.approx([0, 1 / 16, 2 / 16, 3 / 16, 4 / 16])
    assert grid[1, 1, 0] == 1 / 16
