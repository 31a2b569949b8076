"""Training of the prior: two steps of a small network."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import tyro

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from prior_training.batches import IsotropicVolume
from prior_training.train import Options, Recipe, Trainer, eight_bits, train

import napari_emgauss as eg
from napari_emgauss.errors import ConfigError, FileFormatError, VolumeError
from napari_emgauss.interpolation.prior import PriorConfig, PriorInterpolator
from napari_emgauss.interpolation.prior.weights import read_weights
from napari_emgauss.phantoms import phantom

TINY = Recipe(
    network=PriorConfig(widths=(8, 12), blocks=(1, 1), motion=True), steps=4, batch=4, side_px=16, n_phases=2, warmup=1
)


@pytest.fixture(scope="module")
def volume():
    return phantom((88, 88, 88), seed=0)


@pytest.fixture(scope="module")
def data(volume):
    return IsotropicVolume(np.asarray(volume.data), torch.device("cpu"))


def told(step, error):
    assert step > 0
    assert np.isfinite(error)


def weights(trainer):
    return [*trainer.network.parameters(), *trainer.average.parameters()]


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_a_training_that_goes_on_from_a_checkpoint_has_the_bits_of_one_that_was_never_stopped(data, tmp_path):
    whole, begun, gone_on = (Trainer(TINY, data) for _ in range(3))
    before = torch.random.get_rng_state()
    whole.run(tell=told, every=2)
    begun.run(until=2, tell=told)
    begun.save(tmp_path / "c.safetensors")
    assert not same(begun, whole)
    gone_on.restore(tmp_path / "c.safetensors")
    assert gone_on.step == 2
    assert same(gone_on, begun)
    gone_on.run(tell=told)
    assert same(gone_on, whole)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_command_writes_weights_that_load_and_predict(volume, tmp_path):
    eg.write(volume, tmp_path / "v.tif")
    options = Options(
        volume=tmp_path / "v.tif",
        output=tmp_path / "w.safetensors",
        checkpoint=tmp_path / "c.safetensors",
        checkpoint_every=3,
        device="cpu",
        recipe=TINY,
    )
    train(options)
    network = read_weights(options.output)
    assert network.config == TINY.network
    sections = np.asarray(volume.data[::5], np.float32)
    assert np.isfinite(PriorInterpolator(sections, 5, network=network).section(0.5)).all()
    raw = options.output.read_bytes()
    train(options)  # nothing is left to do
    assert options.output.read_bytes() == raw


def test_a_checkpoint_of_something_else_is_refused(data, tmp_path):
    path = tmp_path / "c.safetensors"
    Trainer(TINY, data).save(path)
    other = Trainer(Recipe(**{**vars(TINY), "seed": 1}), data)
    with pytest.raises(FileFormatError, match="another recipe"):
        other.restore(path)
    raw = path.read_bytes()
    for damaged in (b"", raw[: len(raw) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(FileFormatError, match="not usable"):
            Trainer(TINY, data).restore(path)


def test_the_recipe_is_that_of_the_weights_that_ship():
    options = tyro.cli(Options, args=["v.tif"])
    assert options.recipe == Recipe()
    assert options.planes == 316
    assert (options.recipe.steps, options.recipe.batch, options.recipe.rate) == (10_526, 192, 1.5e-3)
    card = Path(eg.__file__).parent / "interpolation" / "prior" / "MODEL_CARD.md"
    assert "10,526 steps of 192 patches" in card.read_text(encoding="utf-8")


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 6}, {"side_px": 18}])
def test_an_impossible_recipe_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Recipe(**{**vars(TINY), **wrong})


def test_only_isotropic_volumes_are_learned_from_and_only_their_first_planes(volume):
    with pytest.raises(VolumeError, match="isotropic"):
        eight_bits(volume.every(2), 10)
    np.testing.assert_array_equal(eight_bits(volume, 10), volume.data[:10])
    wide = eg.Volume(np.asarray(volume.data, np.uint16) * 200 + 1000, (8, 8, 8))
    found = eight_bits(wide, 10)
    assert found.dtype == np.uint8
    assert np.corrcoef(found.ravel(), volume.data[:10].ravel())[0, 1] > 0.999
