import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_emgauss.forward.backprojection.sums import Coefficients, LikelihoodSums, kept_frequencies
from napari_emgauss.metrics.maps import soft_sphere

BOX, N = 16, 5
RNG = np.random.default_rng(0)
ROTATIONS = Rotation.random(N, rng=1).as_matrix()
_, XY = kept_frequencies(BOX)
VALUES = (RNG.normal(size=(N, len(XY))) + 1j * RNG.normal(size=(N, len(XY)))).astype(np.complex64)
TRANSFER = RNG.normal(size=(N, len(XY))).astype(np.float32)
WEIGHTS = RNG.uniform(0.5, 1, (N, len(XY))).astype(np.float32)
IMAGES = Coefficients(np.arange(N), XY, VALUES, TRANSFER)


def points():
    axis = np.arange(BOX) - BOX // 2
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return np.stack([x, y, z], -1).reshape(-1, 3)


def waves(rotation):
    """exp(-2πi (Rᵀk)·x) of all kept frequencies k and voxels x."""
    frequencies = np.pad(XY / BOX, ((0, 0), (0, 1))) @ rotation
    return np.exp(-2j * np.pi * frequencies @ points().T)


@pytest.fixture(scope="module")
def equations():
    sums = LikelihoodSums(BOX)
    sums.add(IMAGES, ROTATIONS, WEIGHTS)
    return sums.equations()


def brute_force(volume):
    parts = zip(VALUES, TRANSFER, WEIGHTS, ROTATIONS, strict=True)
    total = sum(2 * (w * np.abs(y - c * (waves(r) @ volume.ravel())) ** 2).sum() for y, c, w, r in parts)
    return total / N


def test_sums_give_the_squared_difference_from_all_images(equations):
    volume = (soft_sphere(BOX, 6.0) * RNG.normal(size=(BOX,) * 3)).astype(np.float32)
    assert equations.loss(volume) == pytest.approx(brute_force(volume), rel=1e-3)


def test_the_back_projection_is_the_adjoint_of_projecting(equations):
    parts = zip(VALUES, TRANSFER, WEIGHTS, ROTATIONS, strict=True)
    expected = sum(2 * ((w * c * y) @ waves(r).conj()).real for y, c, w, r in parts).reshape((BOX,) * 3)
    inside = soft_sphere(BOX, 6.0) > 0.5
    assert np.abs(equations.b - expected)[inside].max() < 3e-3 * np.abs(expected).max()


def test_halves_add_up_to_the_whole(equations):
    halves = []
    for chosen in (slice(0, 2), slice(2, N)):
        sums = LikelihoodSums(BOX)
        part = Coefficients(np.arange(N)[chosen], XY, VALUES[chosen], TRANSFER[chosen])
        sums.add(part, ROTATIONS[chosen], WEIGHTS[chosen])
        halves.append(sums.equations())
    volume = soft_sphere(BOX, 5.0)
    assert (halves[0] + halves[1]).loss(volume) == pytest.approx(equations.loss(volume), rel=1e-5)


def test_symmetry_inserts_every_image_once_for_each_operator():
    operators = Rotation.from_euler("z", [[0], [180]], degrees=True).as_matrix()
    sums = LikelihoodSums(BOX, operators)
    sums.add(IMAGES, ROTATIONS, WEIGHTS)
    b = sums.equations().b[1:, 1:, 1:]
    assert np.allclose(b, b[:, ::-1, ::-1], atol=1e-4 * np.abs(b).max())


def test_every_frequency_is_kept_once_and_none_with_its_negative():
    pairs = {tuple(pair) for pair in XY.tolist()}
    assert len(pairs) == len(XY)
    assert (0, 0) not in pairs
    assert not any((-x, -y) in pairs for x, y in pairs)
    assert len(pairs) == sum(0 < np.hypot(x, y) <= 7 for x in range(-8, 8) for y in range(-8, 8)) // 2
