"""A tile of a wide stack costs what it holds: counted at the store, and in models read from a file."""

import numpy as np
import pytest
import torch

import napari_emgauss as eg
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.model.stored import n_bytes
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.study import Study
from napari_emgauss.training import BlockTrainer

SHAPE, CHUNK_PX, TILE_PX = (20, 8192, 8192), 256, 300


@pytest.fixture
def wide(counted_zarr):
    """A stack of wide sections, empty but for its corner, and the chunks read of it."""
    path, _, chunks = counted_zarr(SHAPE, (1, CHUNK_PX, CHUNK_PX), (0, 320, 0, 320))
    return eg.read(path), chunks


def test_a_tile_is_trained_without_any_whole_section_being_read(wide):
    volume, chunks = wide
    setup = prepare(volume, preset="fast", tile_px=TILE_PX, spacing_px=8.0, device="cpu")
    trainer = BlockTrainer(EmgaussJob(setup, Study()).build(0))
    for _ in range(3):
        trainer.step()
    assert np.isfinite(trainer.losses["loss"])
    per_section = np.bincount([z for z, _, _ in chunks], minlength=20)
    n_whole = (SHAPE[1] // CHUNK_PX) ** 2
    # 2 × 2 chunks for the tile, and a grid of windows for the scale of the intensities.
    assert (per_section > 0).all()
    assert per_section.max() < n_whole / 4
    tile = {(y, x) for _, y, x in chunks if y < 2 and x < 2}
    assert tile == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_opening_many_blocks_takes_the_memory_of_those_in_view(tmp_path):
    data = np.random.default_rng(0).integers(0, 255, (3, 104, 104), np.uint8)
    settings = {"newton_steps": 1, "tile_px": 32, "tile_overlap_px": 14, "motion": "none", "adapt_spacing": False}
    result = eg.reconstruct(
        eg.Volume(data, (48, 8, 8)),
        preset="fast",
        correct_sections="none",
        uncertainty=False,
        spacing_px=4.0,
        **settings,
    )
    assert len(result.models) == 25
    again = eg.load(result.save(tmp_path / "m.emgauss"))
    assert again.n_gaussians == result.n_gaussians
    assert again.models.n_kept == 0
    part = again.render(0.5, region=(0, 10, 0, 10))
    assert again.models.n_kept == 1
    assert np.array_equal(part, result.render(0.5, region=(0, 10, 0, 10)))
    again.models.cache_bytes = 5 * max(map(n_bytes, result.models))
    assert np.array_equal(again.render(0.5), result.render(0.5))
    assert 5 <= again.models.n_kept < 10
    assert torch.equal(again.models[24].gaussians.mean_px, result.models[24].gaussians.mean_px)


def test_saving_a_model_reads_each_block_once(stack, tmp_path):
    settings = {"preset": "fast", "newton_steps": 1, "tile_px": 20, "tile_overlap_px": 4, "adapt_spacing": False}
    again = eg.load(eg.reconstruct(stack, **settings).save(tmp_path / "m.emgauss"))
    again.models.cache_bytes = 0
    read, made = again.models._read, []
    again.models._read = lambda block: made.append(block) or read(block)
    again.save(tmp_path / "copy.emgauss")
    assert made == list(range(len(again.models)))
