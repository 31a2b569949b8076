"""Memory and time of volumes that grow: ``python -m benchmarks.large_volume``.

A phantom is mirrored to stacks of growing area, as OME-Zarr in shards; each is interpolated by the network that has
learned from other volumes (``interpolate --method learned``) into an OME-Zarr in shards, in a process of its own. Then
one whose volume is larger than the memory that its process may have: ``RLIMIT_DATA``, which counts everything a process
allocates, and not the gigabytes of address space that torch reserves.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tyro
from rich.console import Console

from benchmarks.cases import run_command
from napari_emgauss.io import read
from napari_emgauss.io.ome_zarr import ShardedVolume
from napari_emgauss.phantoms import phantom
from napari_emgauss.runtime.threads import usable_cores
from napari_emgauss.units import format_bytes

FACTOR, VOXEL_NM = 6, 8.0
TILE = (25, 256, 256)
"""Phantom of which every sixth plane is mirrored to every size."""
ONE = "--one-volume"
"""First argument of the processes that write."""
COLUMNS = (
    "| sections | volume | bytes | may allocate | workers | seconds | CPU seconds | CPU ns per voxel "
    "| peak of the process (MiB) |"
)


@dataclass(frozen=True)
class Options:
    """Peak memory and time against the size of the volume."""

    sides: tuple[int, ...] = (256, 512, 1024)
    """Sides of the sections, in px."""
    sections: int = 24
    """Sections of these stacks."""
    limited: tuple[int, int, int] = (64, 2048, 2048)
    """Sections, rows and columns of the stack that is written with little memory; 0 0 0 for none."""
    limit_bytes: int = 1_500_000_000
    """What its process may allocate."""
    workers: int = 1
    """Processes that draw."""
    folder: Path | None = None
    """Where to write; a temporary folder by default. It needs 1.5 times the volume."""
    output: Path | None = None
    """Markdown file for the table, besides printing it."""


def mirrored_index(n: int, period: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return ``n`` indices that run to and fro within ``period``."""
    there = np.arange(n) % max(2 * period - 2, 1)
    return np.where(there < period, there, 2 * period - 2 - there)


def make_stack(path: Path, shape: tuple[int, int, int]) -> Path:
    """Write the mirrored phantom box by box."""
    piece = np.asarray(phantom(TILE, seed=0).data)[::FACTOR]
    stack = ShardedVolume.begin(
        path, shape=shape, dtype=piece.dtype, voxel_size_nm=(FACTOR * VOXEL_NM, VOXEL_NM, VOXEL_NM)
    )
    across = [mirrored_index(n, have) for n, have in zip(shape, piece.shape, strict=True)]
    for box in stack.missing():
        stack.write(box, piece[np.ix_(*(index[part] for index, part in zip(across, box.slices, strict=True)))])
    return stack.finish()


def write_one(text: str) -> None:
    """Interpolate one stack in this process, within its limit, and print what it took."""
    run = json.loads(text)
    if run["limit_bytes"]:
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_DATA, (run["limit_bytes"],) * 2)
    from napari_emgauss.cli import main
    from napari_emgauss.runtime.memory import process_peak_mib

    start = time.perf_counter()
    code = main(["interpolate", run["stack"], run["volume"], "--method", "learned", "--shards",
                 "--workers", str(run["workers"])])  # fmt: skip
    if code:
        sys.exit(code)
    took = {"seconds": time.perf_counter() - start, "cpu_s": sum(os.times()[:4]), "peak_mib": process_peak_mib()}
    sys.stdout.write("\n" + json.dumps(took) + "\n")


def row(shape: tuple[int, int, int], limit_bytes: int, workers: int, result: dict[str, float]) -> str:
    """One line of the table."""
    n, height, width = shape
    planes = (n - 1) * FACTOR + 1
    voxels = planes * height * width
    return (
        f"| {n} × {height} × {width} | {planes} × {height} × {width} | {format_bytes(voxels)} | "
        f"{format_bytes(limit_bytes) if limit_bytes else '–'} | {workers} | {result['seconds']:.0f} | "
        f"{result['cpu_s']:.0f} | {1e9 * result['cpu_s'] / voxels:.0f} | {result['peak_mib']:.0f} |"
    )


def measure(shape: tuple[int, int, int], folder: Path, options: Options, limit_bytes: int = 0) -> str:
    """Return the row of one stack."""
    stack, volume = (folder / f"{name}.ome.zarr" for name in ("stack", "volume"))
    make_stack(stack, shape)
    run = {"stack": str(stack), "volume": str(volume), "workers": options.workers, "limit_bytes": limit_bytes}
    result = run_command([sys.executable, "-m", "benchmarks.large_volume", ONE, json.dumps(run)], timeout_s=7200)
    written = read(volume)
    if written.shape != ((shape[0] - 1) * FACTOR + 1, *shape[1:]):
        raise RuntimeError(f"the volume has the shape {written.shape}")
    if not np.array_equal(written.section(FACTOR), read(stack).section(1)):
        raise RuntimeError("an observed section is not what it was")
    return row(shape, limit_bytes, options.workers, result)


def main(options: Options) -> None:
    """Write everything and print the table as Markdown."""
    console = Console(width=200)
    lines = [COLUMNS, "|---" * (COLUMNS.count("|") - 1) + "|"]
    console.print("\n".join(lines), highlight=False)
    wanted = [((options.sections, side, side), 0) for side in sorted(options.sides)]
    if all(options.limited):
        wanted.append((options.limited, options.limit_bytes))
    for shape, limit in wanted:
        with TemporaryDirectory(dir=options.folder) as folder:
            lines.append(measure(shape, Path(folder), options, limit))
        console.print(lines[-1], highlight=False)
        if options.output is not None:
            options.output.write_text("\n".join(lines) + f"\n\n{usable_cores()} cores.\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == [ONE]:
        write_one(sys.argv[2])
    else:
        main(tyro.cli(Options))
