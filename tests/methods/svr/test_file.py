from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import napari_emgauss as eg
from napari_emgauss.errors import ConfigError, OutOfMemoryError
from napari_emgauss.io.container import write_container
from napari_emgauss.slices import WorldGrid

pytestmark = pytest.mark.slow


def test_a_saved_model_draws_the_same_volume_and_knows_the_same_slices(reconstructed, tmp_path):
    loaded = eg.load(reconstructed.save(tmp_path / "brain.emgauss"))
    np.testing.assert_array_equal(loaded.volume().values, reconstructed.volume().values)
    np.testing.assert_array_equal(loaded.simulated(1), reconstructed.simulated(1))
    for name in ("motion", "weights", "gains", "pivots", "bias"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(reconstructed, name))
    assert loaded.config == reconstructed.config
    assert json.loads(json.dumps(loaded.record)) == json.loads(json.dumps(dict(reconstructed.record)))
    np.testing.assert_array_equal(loaded.uncertainty().values, reconstructed.uncertainty().values)


def damaged(reconstructed, tmp_path, header=None, tensors=None):
    own = reconstructed._header() | (header or {})
    held = dict(reconstructed._tensors()) | (tensors or {})
    return write_container(tmp_path / "bad.emgauss", "svr", own, held.items())


@pytest.mark.parametrize(
    ("header", "tensors", "message"),
    [
        ({"stacks": []}, {}, "1..1000 stacks"),
        ({"frame": [[1, 0, 0, 0]] * 4}, {}, "affine"),
        ({"intensity": float("nan")}, {}, "positive number"),
        ({"grid": {"shape": [10**9, 1, 1], "affine": np.eye(4).tolist()}}, {}, "impossible shape"),
        ({"config": {"voxel_size_mm": -1}}, {}, "voxel_size_mm"),
        ({}, {"motion": torch.zeros(3, 6, dtype=torch.float64)}, "motion must be F64"),
        ({}, {"bias": torch.zeros(2, 9, dtype=torch.float64)}, "bias must be F64"),
        ({"record": {"placements": [np.eye(4).tolist()]}}, {}, "place each of its 3 stacks"),
        ({}, {"amplitude": torch.full((7,), 1.0)}, "amplitude must be F32"),
    ],
)
def test_a_damaged_model_is_refused_in_words(reconstructed, tmp_path, header, tensors, message):
    with pytest.raises(eg.errors.ModelFileError, match=message):
        eg.load(damaged(reconstructed, tmp_path, header, tensors))


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 3e38])
def test_numbers_that_are_not_finite_or_implausible_are_refused(reconstructed, tmp_path, value):
    motion = torch.from_numpy(reconstructed.motion.copy())
    motion[0, 0] = value
    with pytest.raises(eg.errors.ModelFileError, match="motion must hold finite"):
        eg.load(damaged(reconstructed, tmp_path, tensors={"motion": motion}))


def test_a_model_without_uncertainty_says_why(reconstructed, tmp_path):
    held = {name: tensor for name, tensor in reconstructed._tensors() if name != "error"}
    path = write_container(tmp_path / "m.emgauss", "svr", reconstructed._header() | {"error": None}, held.items())
    with pytest.raises(eg.errors.UncertaintyUnavailableError, match="hidden"):
        eg.load(path).uncertainty()


def test_a_file_of_before_knows_of_no_fields_of_brightness(reconstructed, tmp_path):
    held = {name: tensor for name, tensor in reconstructed._tensors() if name != "bias"}
    assert not eg.load(write_container(tmp_path / "m.emgauss", "svr", reconstructed._header(), held.items())).bias.any()


def test_a_grid_and_a_voxel_size_together_are_refused(reconstructed):
    with pytest.raises(eg.errors.ConfigError, match="not both"):
        reconstructed.volume(1.0, grid=reconstructed.grid)


def test_voxels_of_half_the_size_overlay_those_of_the_whole(reconstructed):
    coarse, fine = reconstructed.volume(2.0), reconstructed.volume(1.0)
    sampled = fine.sample(coarse.grid.positions())
    inside = coarse.values > 0.2 * coarse.values.max()
    assert np.abs(sampled[inside] - coarse.values[inside]).mean() < 0.02 * coarse.values.max()


def test_a_volume_that_does_not_fit_in_memory_is_refused_before_it_is_drawn(reconstructed):
    huge = WorldGrid((4096, 4096, 4096), np.diag([0.1, 0.1, 0.1, 1.0]))
    with pytest.raises(OutOfMemoryError, match="the volume takes"):
        reconstructed.volume(grid=huge)


@pytest.mark.parametrize("k", [-1, 3])
def test_stacks_that_there_are_not_are_refused(reconstructed, k):
    with pytest.raises(ConfigError, match=f"from 0 to 2, got {k}"):
        reconstructed.simulated(k)
