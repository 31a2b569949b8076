"""What a volume will take before it is made: time, memory and disk, measured on samples of the stack."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from napari_emgauss._types import AnyArray
from napari_emgauss.io.guard import array_bytes
from napari_emgauss.io.ome_zarr import Box, ShardedVolume
from napari_emgauss.io.ome_zarr.grid import SHARD, ShardGrid
from napari_emgauss.io.ome_zarr.pyramid import plan_levels
from napari_emgauss.methods.emgauss.estimate import estimate
from napari_emgauss.resampling.interpolated import InterpolatedStack
from napari_emgauss.resampling.learned import LEARNED
from napari_emgauss.resampling.planes import Planes
from napari_emgauss.runtime.memory import available_bytes
from napari_emgauss.runtime.threads import get_threads
from napari_emgauss.volume import Volume

PLACES = ((1 / 6, 1 / 6, 5 / 6), (1 / 2, 1 / 2, 1 / 2), (5 / 6, 5 / 6, 1 / 6))
"""Where the stack is sampled: shares of its length along z, y and x."""
SHARDS_HELD = 4
"""Shards that a process holds while it draws, packs and writes one."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to the volume, and what it takes."""

    name: str
    n_blocks: int
    """Pieces that are made one by one, by anyone."""
    seconds: float
    """By one process on all cores of this machine."""
    worker_bytes: int
    """Memory of a process, whatever the size of the volume."""
    model_bytes: int = 0
    """Size of what is kept besides the volume."""
    folder_bytes: int = 0
    """The same while it is made, in a folder of checkpoints."""

    def seconds_by(self, workers: int) -> float:
        """Return the time of as many workers, each like this machine."""
        return math.ceil(self.n_blocks / workers) * self.seconds / self.n_blocks


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a stack's isotropic volume takes."""

    shape: tuple[int, int, int]
    """Voxels of the volume (z, y, x)."""
    n_bytes: int
    """Of all levels, unpacked: what has to be free on the disk."""
    packed_share: float
    """Part of that which the files took, where it was tried."""
    ways: tuple[Way, ...]
    free_memory: int
    free_disk: int
    """Where the volume is to be."""
    n_cores: int
    """Cores that were tried."""

    @property
    def n_voxels(self) -> int:
        """Voxels of the finest level."""
        return math.prod(self.shape)

    def voxels_per_second(self, way: Way) -> float:
        """Return the voxels of the volume that one process makes in a second."""
        return self.n_voxels / way.seconds


def forecast(
    volume: Volume,
    *,
    preset: str = "balanced",
    folder: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    **settings: Any,
) -> Forecast | None:
    """Try what a volume will take, in some seconds whatever the size of the stack.

    Learned interpolation is tried on windows at three places: read, predicted, packed and written. Gaussians are tried
    as `estimate` does: some iterations of every stage on a piece of the stack. The rest is in proportion to voxels.

    Parameters
    ----------
    volume
        The stack.
    preset, **settings
        As for `reconstruct`.
    folder
        Where the volume is to be; the current one by default. A few megabytes are written there for a moment.
    stop
        Asked between the steps; after True nothing is forecast.

    Returns
    -------
    None when stopped.

    Raises
    ------
    VolumeError, ConfigError, BackendUnavailableError
        As `reconstruct`.
    OSError
        The stack cannot be read, or the folder not be written to.
    """
    folder = Path.cwd() if folder is None else folder
    planes = InterpolatedStack(volume, LEARNED).planes()
    itemsize = planes.dtype.itemsize
    levels = plan_levels(planes.shape, planes.voxel_size_nm, planes.origin_nm)
    drawn = _draw_samples(planes, stop)
    if drawn is None:
        return None
    blocks, draw_s = drawn
    write_s, share = _write_sample(blocks, planes, folder)
    n_voxels, sampled = math.prod(planes.shape), sum(block.size for block in blocks)
    learned = Way(
        name="learned interpolation",
        n_blocks=math.prod(ShardGrid(planes.shape, SHARD).counts),
        seconds=(draw_s + write_s) * n_voxels / sampled,
        worker_bytes=int(psutil.Process().memory_info().rss) + SHARDS_HELD * array_bytes(SHARD, itemsize),
    )
    trained = estimate(volume, preset=preset, stop=stop, **settings)
    if trained is None:
        return None
    gaussians = Way(
        name=f"Gaussians ({preset})",
        n_blocks=trained.n_blocks,
        seconds=trained.seconds + write_s * n_voxels / sampled,
        worker_bytes=trained.block_bytes,
        model_bytes=trained.model_bytes,
        folder_bytes=trained.folder_bytes,
    )
    return Forecast(
        shape=planes.shape,
        n_bytes=sum(array_bytes(level.shape, itemsize) for level in levels),
        packed_share=share,
        ways=(learned, gaussians),
        free_memory=available_bytes(),
        free_disk=shutil.disk_usage(folder).free,
        n_cores=get_threads(),
    )


def _draw_samples(planes: Planes, stop: Callable[[], bool]) -> tuple[list[AnyArray], float] | None:
    """Draw the planes between two sections in a shard's rows and columns at each place; and the seconds that takes."""
    depth = max(1, min(round(planes.source.voxel_size_nm[0] / planes.voxel_size_nm[0]), len(planes)))
    blocks, seconds = [], 0.0
    sides = [
        range(min(depth, len(planes))),
        *(range(min(s, n)) for s, n in zip(SHARD[1:], planes.shape[1:], strict=True)),
    ]
    planes.box(range(1, 2), *sides[1:])  # reads the network, and lets libraries set themselves up
    for place in PLACES:
        if stop():
            return None
        first = [_start(share, n, len(side)) for share, n, side in zip(place, planes.shape, sides, strict=True)]
        ranges = [range(a, a + len(side)) for a, side in zip(first, sides, strict=True)]
        begin = time.perf_counter()
        blocks.append(planes.box(*ranges))
        seconds += time.perf_counter() - begin
    return blocks, seconds


def _start(share: float, n: int, length: int) -> int:
    """Return where a sample of ``length`` begins that lies about ``share`` along an axis, as boxes do."""
    return min(int(share * n) // length * length, n - length)


def _write_sample(blocks: Sequence[AnyArray], planes: Planes, folder: Path) -> tuple[float, float]:
    """Return the seconds to write the samples with their coarser levels, and their size over that unpacked."""
    sample = np.concatenate(blocks)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".emgauss-estimate-") as temporary:
        begin = time.perf_counter()
        target = ShardedVolume.begin(
            Path(temporary) / "sample.ome.zarr",
            shape=sample.shape,
            dtype=planes.dtype,
            voxel_size_nm=planes.voxel_size_nm,
        )
        target.write(Box((0, 0, 0), sample.shape), sample)
        path = target.finish()
        seconds = time.perf_counter() - begin
        n_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return seconds, n_bytes / target.n_bytes
