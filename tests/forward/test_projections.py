import numpy as np
import pytest
import torch
from particle_files import REAL, needs
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from napari_emgauss.forward.projections import draw_map, draw_projection, projected, symmetric
from napari_emgauss.forward.simulation import projections_of
from napari_emgauss.gaussians.algebra import GaussianTerms, evaluate
from napari_emgauss.io.particles import read_particles
from napari_emgauss.io.particles.density_map import read_map

ROTATIONS = Rotation.random(6, rng=3).as_matrix()


def terms(n=5, seed=0, spread=4.0, dtype=torch.float64):
    torch.manual_seed(seed)
    factor = 0.8 * torch.randn(n, 3, 3, dtype=dtype)
    covariance = factor @ factor.transpose(1, 2) + 1.0 * torch.eye(3, dtype=dtype)
    return GaussianTerms(spread * torch.randn(n, 3, dtype=dtype), covariance, torch.randn(n, dtype=dtype))


@pytest.mark.parametrize("rotation", ROTATIONS[:3])
def test_a_projection_is_the_integral_along_the_view(rotation):
    own = terms()
    image = projected(own, rotation, (0.7, -1.2))
    y, x = 1.3, -2.1
    # The observed image moved by +shift is the centred one, so its point (x, y) shows the centred one's x + shift.
    depth = torch.linspace(-40, 40, 4001, dtype=torch.float64)
    view = torch.stack([torch.full_like(depth, x + 0.7), torch.full_like(depth, y - 1.2), depth], 1)
    points = (view @ torch.from_numpy(rotation)).flip(1)  # z, y, x of Rᵀ (x, y, depth)
    integral = torch.trapezoid(evaluate(own, points), depth)
    drawn = evaluate(image, torch.tensor([[y, x]], dtype=torch.float64))
    assert float(drawn) == pytest.approx(float(integral), rel=1e-6, abs=1e-7)


def test_a_projection_is_a_central_slice_of_the_map_s_transform():
    own, box = terms(dtype=torch.float32, spread=2.5), 32
    density = draw_map(own, box).numpy()
    sliced = projections_of(density)(ROTATIONS)
    for rotation, expected in zip(ROTATIONS, sliced, strict=True):
        drawn = draw_projection(projected(own, rotation), box).numpy()
        assert np.abs(drawn - expected).max() < 0.02 * np.abs(expected).max()  # both end at 3.33 deviations


def test_the_integral_of_a_projection_does_not_depend_on_the_view():
    own = terms(dtype=torch.float32)
    sums = [float(draw_projection(projected(own, rotation), 64).double().sum()) for rotation in ROTATIONS]
    total = float(draw_map(own, 64).double().sum())
    assert sums == pytest.approx([total] * len(sums), rel=0.02, abs=0.02 * float(own.amplitude.abs().sum()))


def test_symmetric_terms_look_the_same_from_symmetric_views():
    operators = Rotation.from_euler("z", [[0], [120], [240]], degrees=True).as_matrix()
    own = symmetric(terms(), operators)
    points = 3 * torch.randn(20, 3, dtype=torch.float64)
    turned = points.flip(1) @ torch.from_numpy(operators[1]).T
    assert torch.allclose(evaluate(own, points), evaluate(own, turned.flip(1)))


def relion_s_projection(density, rotation):
    """What `relion_project` does: linear interpolation between the coefficients of the map padded to twice its side.

    What that does in real space is divided out by the squared sinc of the distance from the centre. Nothing is kept
    beyond half the box.
    """
    n = len(density)
    axis, frequency = np.arange(n) - n // 2, np.fft.fftfreq(n, 1 / n)
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    padded = np.pad(density / np.sinc(distance / (2 * n)) ** 2, n - n // 2)[-2 * n :, -2 * n :, -2 * n :]
    spectrum = np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(padded)))
    x, y = np.meshgrid(frequency, frequency)
    places = 2 * (np.stack([x, y, 0 * x], -1) @ rotation)[..., ::-1].transpose(2, 0, 1) + n
    parts = [map_coordinates(part, places, order=1, mode="grid-wrap") for part in (spectrum.real, spectrum.imag)]
    inside = np.hypot(x, y) <= n // 2
    return np.fft.fftshift(np.fft.ifft2(np.where(inside, parts[0] + 1j * parts[1], 0))).real


@needs(REAL)
def test_relion_s_projections_are_central_slices_of_its_map_in_our_convention():
    folder = REAL / "relion_convention"
    density = read_map(folder / "rib64.mrc").values
    relion = read_particles(folder / "rln_proj_64.star", pixel_size_angstrom=5.0, with_ctf=False)
    images = relion.images.read(range(5))
    exact = projections_of(density)(relion.rotations)
    for own, rotation, theirs in zip(exact, relion.rotations, images, strict=True):
        linear = relion_s_projection(density, rotation)
        assert correlation(linear, theirs) > 0.9999
        # What is left of the difference is their interpolation.
        assert correlation(own, theirs) > 0.9996
        assert correlation(own, linear) == pytest.approx(correlation(own, theirs), abs=3e-5)
    for wrong in (relion.rotations.transpose(0, 2, 1), relion.rotations * [1, 1, -1]):
        assert correlation(relion_s_projection(density, wrong[0]), images[0]) < 0.9


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


@needs(REAL)
def test_an_image_that_relion_shifted_moved_by_its_shift_is_the_centred_one():
    folder = REAL / "relion_convention"
    kinds = {"pixel_size_angstrom": 1.0, "with_ctf": False}
    shifted = read_particles(folder / "rln_proj_64_shifted.star", **kinds)
    centred = read_particles(folder / "rln_proj_64_centered.star", **kinds).images.read(range(4))
    for image, shift, expected in zip(shifted.images.read(range(4)), shifted.shifts_px, centred, strict=True):
        x, y = shift.astype(int)
        assert np.abs(np.roll(image, (y, x), (0, 1)) - expected).max() < 1e-6 * np.abs(expected).max()
