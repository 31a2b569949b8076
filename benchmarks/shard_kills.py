"""Kills of processes that fill a volume at random moments: ``python -m benchmarks.shard_kills``.

Two processes fill one volume in shards, in different orders, and both finish it; each is killed after a random time,
and two others begin. The files of every volume must be those of one that was left alone, and nothing may lie beside it.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tyro
from rich.console import Console

from napari_emgauss.io.ome_zarr import ShardedVolume

SHAPE, SHARD, CHUNK = (96, 1024, 1024), (32, 128, 128), (32, 64, 64)
ONE = "--fill"
"""First argument of the processes that write."""
NAME = "volume.ome.zarr"


@dataclass(frozen=True)
class Options:
    """Kill processes that fill a volume."""

    kills: int = 40
    """Kills in all."""
    seed: int = 1
    """Seed of the moments."""
    wait_s: tuple[float, float] = (0.6, 2.5)
    """Least and greatest time between two kills."""


def fill(path: Path, seed: int) -> None:
    """Fill what is missing in an order of its own, and finish the volume; another process may be first."""
    if path.exists():
        return
    with contextlib.suppress(FileNotFoundError, FileExistsError):
        volume = ShardedVolume.begin(
            path, shape=SHAPE, dtype="uint8", voxel_size_nm=(8, 8, 8), shard=SHARD, chunk=CHUNK
        )
        missing = volume.missing()
        random.Random(seed).shuffle(missing)
        for box in missing:
            volume.write(box, np.random.default_rng(box.start).integers(0, 255, box.shape, np.uint8))
        volume.finish()


def process(path: Path, seed: int) -> subprocess.Popen[bytes]:
    """Start a process that fills a volume."""
    return subprocess.Popen([sys.executable, "-m", "benchmarks.shard_kills", ONE, str(path), str(seed)])


def files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file of a folder."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def one_volume(path: Path, left: int, moments: random.Random, wait_s: tuple[float, float]) -> int:
    """Have a volume filled by processes of which at most ``left`` are killed; return how many were."""
    killed = seed = 0
    while not path.exists():
        both = [process(path, seed), process(path, seed + 1)]
        seed += 2
        for one in both if killed < left else ():
            time.sleep(moments.uniform(*wait_s))
            if one.poll() is None:
                one.kill()
                killed += 1
        for one in both:
            one.wait()
    return killed


def main(options: Options) -> None:
    """Kill, compare, and print what was found; exit code 1 if a file differs or was left."""
    console, moments, kills, volumes = Console(), random.Random(options.seed), 0, 0
    with TemporaryDirectory() as folder:
        alone = Path(folder) / "alone" / NAME
        alone.parent.mkdir()
        fill(alone, 0)
        expected = files(alone)
        while kills < options.kills:
            path = Path(folder) / str(volumes) / NAME
            path.parent.mkdir()
            kills += one_volume(path, options.kills - kills, moments, options.wait_s)
            volumes += 1
            beside = [entry.name for entry in path.parent.iterdir() if entry != path]
            if files(path) != expected or beside:
                console.print(f"volume {volumes} differs from one that was left alone, or left {beside}")
                sys.exit(1)
    console.print(f"{kills} kills, {volumes} volumes, all files equal, nothing left beside them")


if __name__ == "__main__":
    if sys.argv[1:2] == [ONE]:
        fill(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(tyro.cli(Options))
