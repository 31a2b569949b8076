"""Volumes drawn box by box: by one process or several, in one go or after a kill, the numbers are those of planes."""

import os
import sys
from functools import partial

import numpy as np
import pytest
import zarr
from ramp_planes import deadly_planes, ramp_planes

import napari_emgauss as eg
from napari_emgauss.io import WritePaused
from napari_emgauss.io.ome_zarr import grid
from napari_emgauss.resampling import boxes as module
from napari_emgauss.resampling.boxes import export_in_boxes
from napari_emgauss.resampling.export import export
from napari_emgauss.resampling.interpolated import InterpolatedStack
from napari_emgauss.resampling.planes import Planes

SMALL = {"CHUNK": (8, 16, 16), "SHARD": (16, 32, 32)}


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    for name, size in SMALL.items():
        monkeypatch.setattr(grid, name, size)
        monkeypatch.setattr(module, name, size)


def levels(path):
    group = zarr.open_group(path, mode="r")
    return {name: array[:] for name, array in group.arrays()}


@pytest.mark.parametrize("voxel", [None, (16, 8, 6)])
def test_boxes_show_what_planes_do(tmp_path, placed, voxel):
    planes = Planes(placed, voxel, region=(3, 48, 0, 36))
    one = export(planes, tmp_path / "planes.ome.zarr").path
    other = export_in_boxes(lambda: planes, tmp_path / "boxes.ome.zarr")
    for name, level in levels(one).items():
        np.testing.assert_array_equal(levels(other)[name], level, err_msg=name)
    one, other = eg.read(one), eg.read(other)
    assert (one.voxel_size_nm, one.origin_nm) == (other.voxel_size_nm, other.origin_nm)
    assert other.metadata["napari-emgauss"]["export"]["region_px"] == [3, 48, 0, 36]


@pytest.mark.parametrize(("method", "whole"), [("learned", False), ("flow+blur0.7", True)])
def test_interpolation_is_the_same_in_boxes(tmp_path, stack, method, whole):
    planes = InterpolatedStack(stack, method).planes()
    path = export_in_boxes(lambda: planes, tmp_path / "a.ome.zarr", whole_planes=whole)
    np.testing.assert_array_equal(eg.read(path).data[:], planes[:])


def test_what_was_drawn_is_not_drawn_again_and_progress_counts_it(tmp_path, small):
    seen = []
    with pytest.raises(WritePaused, match="goes on"):
        export_in_boxes(
            lambda: Planes(small),
            tmp_path / "a.ome.zarr",
            progress=lambda done, total: seen.append((done, total)),
            cancelled=lambda: len(seen) > 3,
        )
    assert len(small.drawn) == 3 * 16
    path = export_in_boxes(lambda: Planes(small), tmp_path / "a.ome.zarr", progress=lambda *n: seen.append(n))
    assert len(small.drawn) == 4 * 25
    assert seen[0] == (0, 8)
    assert seen[-1] == (8, 8)
    np.testing.assert_array_equal(eg.read(path).data[:], Planes(small)[:])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_workers_write_what_one_process_does_also_after_one_was_killed(tmp_path):
    target = tmp_path / "a.ome.zarr"
    with pytest.raises(RuntimeError, match="the same command goes on"):
        export_in_boxes(partial(deadly_planes, os.getpid()), target, workers=2)
    path = export_in_boxes(ramp_planes, target, workers=2)
    np.testing.assert_array_equal(eg.read(path).data[:], ramp_planes()[:])
