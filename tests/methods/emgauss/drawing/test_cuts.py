"""Lines across sections, drawn without the sections."""

from dataclasses import replace

import numpy as np
import pytest

import napari_emgauss as eg

TINY = {"newton_steps": 3, "spacing_px": 3.0, "adapt_spacing": False}


@pytest.fixture(scope="module")
def result(stack):
    return eg.reconstruct(stack, **TINY)


@pytest.fixture(scope="module")
def tiled():
    data = np.random.default_rng(0).integers(0, 255, (7, 60, 71)).astype(np.uint8)
    blocks = {"tile_px": 33, "tile_overlap_px": 8, "bundle_sections": 5, "bundle_overlap": 2}
    return eg.reconstruct(eg.Volume(data, (48, 8, 8)), preset="fast", leave_out=(2,), **TINY, **blocks)


@pytest.fixture(scope="module")
def wholes(result):
    """All planes on two grids."""
    return {voxel_size_nm: np.stack(list(result.planes(voxel_size_nm))) for voxel_size_nm in (None, (8, 6, 12))}


@pytest.mark.parametrize("name", ["result", "tiled"])
@pytest.mark.parametrize("axis", [1, 2])
def test_a_cut_is_what_the_sections_show_there(name, axis, result, tiled):
    rec = {"result": result, "tiled": tiled}[name]
    zs = np.linspace(0, rec.z_range[1], 9).tolist()
    sections = np.stack([rec.render(z) for z in zs])
    for index in (0, 30, rec.shape[axis] - 1):
        assert rec.lines(zs, axis=axis, index=index) == pytest.approx(sections.take(index, axis), abs=0.2)


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), 7),
        (slice(None), slice(7, 8)),
        (..., 5),
        (slice(3, 20, 4), slice(40, 10, -3), slice(None)),
        (..., slice(-3, None), 5),
        (3, 4, 5),
        (slice(2, 2),),
        (-1, ...),
        ...,
        np.int64(3),
    ],
)
@pytest.mark.parametrize("voxel_size_nm", [None, (8, 6, 12)])
def test_every_box_equals_that_part_of_the_whole(result, wholes, key, voxel_size_nm):
    planes, whole = result.planes(voxel_size_nm), wholes[voxel_size_nm]
    assert planes[key].shape == whole[key].shape
    assert planes[key].dtype == whole.dtype
    assert np.allclose(planes[key].astype(float), whole[key], rtol=0, atol=1)


def test_only_models_of_blocks_with_weight_there_are_asked_for(tiled):
    class Asked(tuple):
        def __getitem__(self, index):
            asked.append(index)
            return super().__getitem__(index)

    asked, spied = [], replace(tiled, models=Asked(tiled.models))
    zs = [0.0, 0.4, 0.9]
    assert np.array_equal(spied.lines(zs, axis=2, index=70), tiled.lines(zs, axis=2, index=70))
    assert {spied.plan.blocks[i].z for i in asked} == {0}
    assert {spied.plan.blocks[i].x for i in asked} == {len(spied.plan.x) - 1}


def test_models_without_the_short_cut_are_cut_through_their_sections(stack):
    published = eg.reconstruct(stack, preset="paper", warmup=1, joint=1, bootstrap=0, mlp_depth=2, mlp_width=8)
    assert published.lines([0.5, 1.5], axis=1, index=5) is None
    planes = published.planes()
    assert np.allclose(planes[::8, 5].astype(float), np.stack([planes[k][5] for k in range(0, 25, 8)]), rtol=0, atol=1)
