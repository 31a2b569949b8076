import dataclasses

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import napari_emgauss as eg
from napari_emgauss.methods.emgauss import EmgaussConfig, preset
from napari_emgauss.methods.emgauss.config import AnchoredModelConfig
from napari_emgauss.methods.emgauss.job import (
    EmgaussJob,
    build_model,
    motion_grid_shape,
    motion_grids,
)
from napari_emgauss.methods.emgauss.train import estimate_memory_bytes, fingerprint


def job(stack, **changes):
    return EmgaussJob(stack, EmgaussConfig().with_settings(**changes), torch.device("cpu"), 0)


def test_held_out_sections_are_scored_as_they_were_recorded(stack):
    task = job(stack, denoise="light", hold_out=(2,)).build(0)
    raw = job(stack, hold_out=(2,)).build(0)
    assert torch.equal(task.held_out[0].image, raw.held_out[0].image)
    assert not torch.equal(task.observed[0].image, raw.observed[0].image)


@pytest.fixture(scope="module")
def texture():
    image = gaussian_filter(np.random.default_rng(0).standard_normal((64, 72)), 3)
    return (0.5 + 0.15 * image / image.std()).astype(np.float32)


def test_motion_starts_at_the_shift_between_the_sections(texture):
    big = np.pad(texture, 8, mode="reflect")
    sections = np.stack([big[8:-8, 8:-8], big[6:-10, 11:-5]])  # the second shows everything 2 px lower, 3 px more left
    up, down = (grid.numpy() for grid in motion_grids(AnchoredModelConfig(), sections))
    assert np.median(up[0], axis=(1, 2)) == pytest.approx([2, -3], abs=0.4)
    assert np.median(down[0], axis=(1, 2)) == pytest.approx([-2, 3], abs=0.4)


def test_unrelated_sections_are_not_moved():
    rng = np.random.default_rng(0)
    sections = np.stack([gaussian_filter(rng.standard_normal((64, 64)), 2) * 3 + 0.5 for _ in range(2)])
    up, _ = motion_grids(AnchoredModelConfig(), sections.astype(np.float32))
    assert np.median(np.abs(up.numpy())) < 0.5


def test_the_motion_grid_spans_both_sides_at_its_distance():
    assert motion_grid_shape(AnchoredModelConfig(motion_grid_px=4), (48, 40)) == (13, 11)
    assert motion_grid_shape(AnchoredModelConfig(motion_grid_px=1000), (48, 40)) == (2, 2)


@pytest.mark.parametrize("field", ["anchored", "mlp"])
def test_a_block_starts_within_the_cap(field):
    small = {"mlp_width": 8, "mlp_depth": 2} if field == "mlp" else {}
    config = preset("balanced", field=field, max_gaussians=400, **small)
    sections = np.random.default_rng(0).random((3, 48, 40), dtype=np.float32)
    assert len(build_model(config, [0.0, 1.0, 2.0], sections, np.random.default_rng(0)).gaussians) <= 400


def test_a_task_is_the_same_at_every_call(stack):
    first, second = (job(stack).build(0).model.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_fingerprint_tells_stacks_settings_and_seeds_apart(stack):
    other = np.array(stack.data)
    other[0, 0, 0] ^= 1
    jobs = [
        job(stack),
        job(stack, joint=31),
        dataclasses.replace(job(stack), seed=1),
        job(eg.Volume(other, stack.voxel_size_nm)),
        job(eg.Volume(stack.data, (50.0, *stack.voxel_size_nm[1:]))),
    ]
    assert len({fingerprint(j) for j in jobs}) == 5
    assert fingerprint(jobs[0]) == fingerprint(job(stack))


def test_the_memory_estimate_grows_with_the_network_and_the_density(stack):
    base = estimate_memory_bytes(job(stack))
    assert estimate_memory_bytes(job(stack, spacing_px=1.5)) > base
    wide = estimate_memory_bytes(job(stack, field="mlp", mlp_width=512))
    assert wide > estimate_memory_bytes(job(stack, field="mlp", mlp_width=64))


def test_smaller_tiles_stay_longer_than_their_overlaps(stack):
    assert job(stack, tile_px=700, tile_overlap_px=100).with_smaller_tiles().config.blocks.tile_px > 200
