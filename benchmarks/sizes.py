"""Seconds and peak memory of training against size: ``python -m benchmarks.sizes``; ``--big fib.tif`` for 84 × 500².

Cubes of a phantom, mirrored to size and thinned ×6, are trained on the CPU and, where there is one, on the GPU, each in
a process of its own. Quality is the subject of `benchmarks.results`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import tyro
from rich.console import Console

from benchmarks.cases import run_command
from benchmarks.crops import VOXEL_SIZE_NM
from benchmarks.results import warm_up
from napari_emgauss.io import read, write
from napari_emgauss.methods.emgauss import preset, reconstruct
from napari_emgauss.phantoms import phantom
from napari_emgauss.runtime.memory import process_peak_mib
from napari_emgauss.runtime.threads import usable_cores
from napari_emgauss.volume import Volume

FACTOR = 6
TILE = (97, 128, 128)
"""Phantom that is mirrored to every size: a large one would need more memory than the training."""
BIG = (84, 500, 500)
"""Observed sections, rows and columns of the large stack."""
ONE = "--one-training"
"""First argument of the processes that train."""
COLUMNS = (
    "| stack | voxels between | preset | device | Gaussians | preparation and teacher (s) | Gaussians (s) | all (s) "
    "| peak (MiB) | GPU peak (MiB) |"
)


@dataclass(frozen=True)
class Run:
    """One training."""

    shape: tuple[int, int, int]
    """Observed sections, rows and columns."""
    preset: str
    device: str
    volume: str
    """Isotropic volume to mirror to size."""
    spacing_px: float | None = None
    """Initial distance of Gaussians, if not the preset's."""


@dataclass(frozen=True)
class Options:
    """Training time and peak memory against the size of the stack and the number of Gaussians."""

    sides: tuple[int, ...] = (64, 128, 192, 256, 384, 500)
    """Sides of the isotropic cubes, in voxels; every 6th plane is observed."""
    presets: tuple[str, ...] = ("fast",)
    """Presets to train; ``balanced`` takes some tens of minutes at 500³ on two cores."""
    spacings: tuple[float, ...] = (7.0, 5.0, 2.5, 1.8)
    """Further distances between Gaussians, in px, tried at ``spacing_side``."""
    spacing_side: int = 192
    """Side of the cube for these; 0 for none."""
    devices: tuple[str, ...] = ()
    """Devices; by default the CPU and, where there is one, the GPU."""
    max_seconds: float = 5400
    """A training that takes longer is stopped, and larger ones of its kind are skipped."""
    big: Annotated[Path | None, tyro.conf.arg(metavar="VOLUME|phantom")] = None
    """Only train 84 sections of 500 × 500 with ``balanced``, mirrored from this volume's sections (or the phantom)."""
    output: Path | None = None
    """Markdown file for the table, besides printing it."""


def mirrored(data: npt.NDArray[np.generic], shape: tuple[int, int, int]) -> npt.NDArray[np.generic]:
    """``data`` cut, or continued by reflection without repeating its faces, to ``shape``.

    Reflection keeps grey levels, noise and continuity, so the work is that of a real stack of this size.
    """
    pad = [(0, max(want - have, 0)) for want, have in zip(shape, data.shape, strict=True)]
    grown = np.pad(data, pad, mode="reflect")
    return grown[: shape[0], : shape[1], : shape[2]]


def stack_of(run: Run) -> Volume:
    """The anisotropic stack of a run."""
    source = read(Path(run.volume), voxel_size_nm=VOXEL_SIZE_NM)
    thinned = np.asarray(source.data)[::FACTOR]
    dz, dy, dx = source.voxel_size_nm
    return Volume(np.ascontiguousarray(mirrored(thinned, run.shape)), (dz * FACTOR, dy, dx))


def train(run: Run) -> dict[str, Any]:
    """Train once in this process."""
    stack = stack_of(run)
    changes: dict[str, Any] = {} if run.spacing_px is None else {"spacing_px": run.spacing_px}
    if run.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    started: list[float] = []

    def watch(event: Any) -> None:
        if not started and getattr(event, "n_gaussians", 0) > 0:  # a teacher's training has none yet
            started.append(time.perf_counter())

    start = time.perf_counter()
    made = reconstruct(stack, preset=run.preset, device=run.device, on_event=watch, **changes)
    end = time.perf_counter()
    return {
        "n_gaussians": made.n_gaussians,
        "seconds": end - start,
        "teacher_seconds": started[0] - start if started else 0.0,
        "peak_mib": process_peak_mib(),
        "gpu_peak_mib": torch.cuda.max_memory_allocated() / 2**20 if run.device != "cpu" else None,
    }


def runs(options: Options, phantom_file: Path) -> Iterator[Run]:
    """What the options ask for, small before large."""
    source = str(phantom_file)
    devices = options.devices or (("cpu", "cuda") if torch.cuda.is_available() else ("cpu",))
    for device in devices:
        if options.big is not None:
            yield Run(BIG, "balanced", device, source if str(options.big) == "phantom" else str(options.big.resolve()))
            continue
        for name in options.presets:
            for side in sorted(options.sides):
                yield Run(((side - 1) // FACTOR + 1, side, side), name, device, source)
            side = options.spacing_side
            for spacing in sorted(options.spacings, reverse=True) if side else ():
                yield Run(((side - 1) // FACTOR + 1, side, side), name, device, source, spacing)


def row(run: Run, result: dict[str, Any] | str) -> str:
    """One line of the table."""
    n, height, width = run.shape
    voxels = ((n - 1) * FACTOR + 1) * height * width
    chosen = preset(run.preset).model.spacing_px if run.spacing_px is None else run.spacing_px
    head = f"| {n}×{height}×{width} | {voxels / 1e6:.1f} M | {run.preset}, {chosen:g} px | {run.device} | "
    if isinstance(result, str):
        return f"{head}{result} |  |  |  |  |  |"
    gpu = result["gpu_peak_mib"]
    gaussians_s = result["seconds"] - result["teacher_seconds"]
    return (
        f"{head}{result['n_gaussians']:,} | {result['teacher_seconds']:.1f} | {gaussians_s:.1f} | "
        f"{result['seconds']:.1f} | {result['peak_mib']:.0f} | {'–' if gpu is None else f'{gpu:.0f}'} |"
    )


def main(options: Options) -> None:
    """Train everything and print the table as Markdown."""
    console = Console(width=200)
    lines = [COLUMNS, "|---" * (COLUMNS.count("|") - 1) + "|"]
    console.print("\n".join(lines), highlight=False)
    with TemporaryDirectory() as folder:
        # A process that draws its own phantom needs more memory for that than for a small training.
        _tabulate(
            options, list(runs(options, write(phantom(TILE, seed=0), Path(folder) / "phantom.tif"))), lines, console
        )


def _tabulate(options: Options, wanted: list[Run], lines: list[str], console: Console) -> None:
    for device in dict.fromkeys(run.device for run in wanted):
        warm_up(device)
    too_long: set[tuple[str, str]] = set()
    for run in wanted:
        kind = (run.preset, run.device)
        if kind in too_long and run.spacing_px is None:
            continue
        lines.append(row(run, attempt(run, options.max_seconds, too_long)))
        console.print(lines[-1], highlight=False)
        if options.output is not None:
            options.output.parent.mkdir(parents=True, exist_ok=True)
            options.output.write_text("\n".join(lines) + f"\n\n{usable_cores()} cores.\n", encoding="utf-8")


def attempt(run: Run, max_seconds: float, too_long: set[tuple[str, str]]) -> dict[str, Any] | str:
    """Result of a run in a process of its own, or in words why there is none."""
    command = [sys.executable, "-m", "benchmarks.sizes", ONE, json.dumps(asdict(run))]
    try:
        return run_command(command, timeout_s=max_seconds)
    except subprocess.TimeoutExpired:
        too_long.add((run.preset, run.device))
        return f"stopped after {max_seconds:.0f} s"
    except RuntimeError as error:
        return "failed: " + str(error).splitlines()[-1][:80].replace("|", "/")


def train_one(text: str) -> None:
    """Train the run that is given as JSON and print what it took."""
    values = json.loads(text)
    result = train(Run(**{**values, "shape": tuple(values["shape"])}))
    sys.stdout.write("\n" + json.dumps(result) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == [ONE]:
        train_one(sys.argv[2])
    else:
        main(tyro.cli(Options))
