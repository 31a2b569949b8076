import csv
import dataclasses

import numpy as np
import pytest
import torch

from napari_emgauss.errors import ConfigError, ModelFileError, ParticlesError
from napari_emgauss.io.container import Container, write_container
from napari_emgauss.io.particles.density_map import DensityMap
from napari_emgauss.methods.gem.reconstruction import estimated_b_factor
from napari_emgauss.methods.registry import load
from napari_emgauss.metrics.maps import half_shells


def test_maps_have_the_pixel_size_of_the_particles(reconstructed, tmp_path):
    found = reconstructed.map()
    assert isinstance(found, DensityMap)
    assert (found.pixel_size_angstrom, found.shape) == (6.0, (24, 24, 24))
    assert found.write(tmp_path / "m.mrc").exists()


def test_the_map_is_the_mean_of_its_halves(reconstructed):
    first, second = (half.values for half in reconstructed.half_maps())
    assert np.allclose(reconstructed.map().values, 0.5 * (first + second), atol=1e-5)


def test_the_table_lists_every_gaussian_in_angstrom(reconstructed, tmp_path):
    reconstructed.write_gaussians(tmp_path / "g.csv")
    with (tmp_path / "g.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == reconstructed.n_gaussians
    x = reconstructed.models[0].gaussians.mean[0, 2].item() * 6.0
    assert float(rows[0]["x_angstrom"]) == pytest.approx(x, rel=1e-4)


def test_sharpening_lifts_high_frequencies_as_its_b_factor_says(reconstructed):
    plain, sharp = reconstructed.map().values, reconstructed.map(b_factor=-200.0).values
    shell = np.rint(half_shells(24)).astype(int)
    s = 4 / (24 * 6.0)
    ratio = np.abs(np.fft.rfftn(sharp))[shell == 4].sum() / np.abs(np.fft.rfftn(plain))[shell == 4].sum()
    assert ratio == pytest.approx(np.exp(50 * s**2), rel=0.05)
    with pytest.raises(ConfigError, match="b_factor"):
        reconstructed.map(b_factor="much")


def test_the_b_factor_of_a_blurred_map_is_found():
    rng = np.random.default_rng(0)
    s = half_shells(48) / (48 * 2.0)
    spectrum = np.fft.rfftn(rng.standard_normal((48,) * 3)) * np.exp(-0.25 * 150 * s**2)
    blurred = np.fft.irfftn(spectrum, s=(48,) * 3, axes=(0, 1, 2)).astype(np.float32)
    assert estimated_b_factor(blurred, 2.0, 4.2) == pytest.approx(-150, rel=0.15)


@pytest.mark.parametrize("name", ["m.mrc", "m"])
def test_a_model_is_saved_under_its_own_suffix_only(reconstructed, tmp_path, name):
    with pytest.raises(ConfigError, match=rf"saved as \.emgauss, got '{name}'. Name it m\.emgauss"):
        reconstructed.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_local_resolution_is_a_map_in_angstrom(reconstructed):
    found = reconstructed.local_resolution().values
    assert found.shape == (24, 24, 24)
    assert found[12, 12, 12] < 40
    assert found.min() >= 12.0


def test_refined_views_are_kept_in_the_file_and_given_to_the_particles(reconstructed, particles, tmp_path):
    changes = np.zeros((len(particles), 6))
    changes[:, 3] = 2.0
    map_of_refined = dataclasses.replace(reconstructed, view_changes=changes)
    refined = load(map_of_refined.save(tmp_path / "m.emgauss")).refined(particles)
    assert refined.shifts_px[:, 0] == pytest.approx(particles.shifts_px[:, 0] + 2)
    assert reconstructed.refined(particles) is particles
    with pytest.raises(ParticlesError, match="made of 160 particles, got 3"):
        reconstructed.refined(particles.take(range(3)))


@pytest.fixture
def parts(reconstructed, tmp_path):
    container = Container(reconstructed.save(tmp_path / "good.emgauss"))
    header = {name: value for name, value in container.header.items() if name not in ("method", "version")}
    return header, {name: container.tensor(name) for name in container.names}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda h, t: h.update(pixel_size_angstrom=-1), "pixel size"),
        (lambda h, t: h.update(factors=[[1.0]]), "factors"),
        (lambda h, t: h["models"][0].update(box_px=10**9), "box"),
        (lambda h, t: h["models"][1].update(box_px=22), "boxes of different sizes"),
        (lambda h, t: h["config"].update(symmetry="I"), "symmetry"),
        (lambda h, t: t.pop("0/gaussians.mean"), "mean"),
        (lambda h, t: t.update({"1/gaussians.mean": torch.zeros(3, 3)}), "shape"),
        (lambda h, t: t["0/gaussians.amplitude"].fill_(float("nan")), "not finite"),
        (lambda h, t: t["0/gaussians.amplitude"].fill_(3e38), "beyond 1e\\+15"),
        (lambda h, t: t["1/plain"].fill_(3e38), "half maps hold numbers"),
        (lambda h, t: h["factors"][0].__setitem__(3, 1e300), "factors that are"),
        (lambda h, t: t.update({"0/plain": torch.zeros(4, 4, 4)}), "half map"),
        (lambda h, t: t["halves"].fill_(7), "0 and 1"),
        (lambda h, t: t.update(view_changes=torch.zeros(3, 6)), "changes of views of shape"),
        (lambda h, t: t.update(view_changes=torch.full((160, 6), torch.nan, dtype=torch.float64)), "views that hold"),
        (lambda h, t: h.pop("record"), "inconsistent"),
    ],
)
def test_an_inconsistent_file_is_refused(parts, spoil, message, tmp_path):
    header, tensors = parts
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    spoil(header, tensors)
    path = write_container(tmp_path / "bad.emgauss", "gem", header, tensors.items())
    with pytest.raises(ModelFileError, match=message):
        load(path)


def test_a_file_of_before_mixes_its_plain_half_maps_in(parts, tmp_path):
    header, tensors = parts
    old = {name: tensor for name, tensor in tensors.items() if not name.endswith("/voxels")}
    loaded = load(write_container(tmp_path / "old.emgauss", "gem", header, old.items()))
    assert all(np.array_equal(mixed, plain) for mixed, plain in zip(loaded.voxels, loaded.plain, strict=True))
