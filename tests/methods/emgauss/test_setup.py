import dataclasses

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.errors import ConfigError, VolumeError
from napari_emgauss.methods.emgauss.setup import prepare


def test_the_fingerprint_tells_stacks_settings_and_seeds_apart(stack):
    other = np.array(stack.data)
    other[0, 0, 0] ^= 1
    setups = [
        prepare(stack),
        prepare(stack, joint=31),
        dataclasses.replace(prepare(stack), seed=1),
        prepare(eg.Volume(other, stack.voxel_size_nm)),
        prepare(eg.Volume(stack.data, (50.0, *stack.voxel_size_nm[1:]))),
    ]
    assert len({each.fingerprint for each in setups}) == 5
    assert setups[0].fingerprint == prepare(stack).fingerprint


def test_smaller_tiles_stay_longer_than_their_overlaps(stack):
    assert prepare(stack, tile_px=700, tile_overlap_px=100).with_smaller_tiles().config.blocks.tile_px > 200


@pytest.mark.parametrize("seed", [-1, 1.5, "3", 2**63])
def test_a_seed_is_a_whole_number(stack, seed):
    with pytest.raises(ConfigError, match="seed must be a whole number"):
        prepare(stack, seed=seed)


def test_the_fingerprint_walks_through_sections_in_bands(monkeypatch):
    stack = eg.Volume(np.random.default_rng(0).integers(0, 255, (3, 700, 32), np.uint8), (48, 8, 8))
    whole, sizes, read = prepare(stack, device="cpu").fingerprint, [], eg.Volume.recorded
    monkeypatch.setattr("napari_emgauss.volume.BAND_BYTES", 1)
    monkeypatch.setattr(eg.Volume, "recorded", lambda self, *of: sizes.append((part := read(self, *of)).size) or part)
    assert prepare(stack, device="cpu").fingerprint == whole
    assert max(sizes) == 256 * 32


@pytest.mark.parametrize(("index", "remedy"), [(0, "crop the stack"), (2, "leave the section out")])
@pytest.mark.parametrize("value", [3e38, -3e38, 1e9, np.inf, np.nan])
def test_values_that_are_no_intensities_are_refused_with_what_can_be_done(stack, index, remedy, value):
    data = np.asarray(stack.data, np.float32)
    data[index, 5, 5] = value
    setup = prepare(eg.Volume(data, stack.voxel_size_nm), device="cpu")
    with pytest.raises(VolumeError, match=f"section {index} has 1 .*{remedy}"):
        setup.read([index], (0, 48, 0, 40))
