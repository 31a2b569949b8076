"""``napari-emgauss evaluate`` and ``demo``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console

from napari_emgauss._types import FloatArray
from napari_emgauss.cli.commands import Demo, Evaluate
from napari_emgauss.cli.progress import TrainingDisplay
from napari_emgauss.cli.settings import parse_settings
from napari_emgauss.errors import VolumeError
from napari_emgauss.evaluation import Evaluation
from napari_emgauss.evaluation import evaluate as score
from napari_emgauss.io import read, write
from napari_emgauss.units import format_duration
from napari_emgauss.volume import Volume

DEMO_FACTOR = 6
DEMO_METHODS = ("linear", "linear+blur0.7", "flow+blur0.7")

DEMO_LATERAL_STEPS = 500
"""A sixth of the default: a demonstration should not take minutes."""


def evaluate(options: Evaluate) -> int:
    """Score methods on the withheld sections of an isotropic volume."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    volume = read(options.volume, voxel_size_nm=options.voxel_size_nm, dataset=options.dataset)
    if options.crop is not None:
        volume = cropped(volume, options.crop)
    with TrainingDisplay(console) as display:
        result = score(
            volume,
            options.factor,
            options.methods,
            seed=options.seed,
            device=options.device,
            on_event=display,
            **parse_settings(options.set),
        )
    console.print(result.table())
    console.print(result.verdict())
    if options.output_dir is not None:
        for path in write_results(result, options.output_dir):
            console.print(str(path))
    return 0


def cropped(volume: Volume, crop: tuple[int, int, int, int, int, int]) -> Volume:
    """Part of a volume: z0 z1 y0 y1 x0 x1 in voxels, half-open."""
    bounds = [(crop[2 * axis], crop[2 * axis + 1]) for axis in range(3)]
    if not all(0 <= a < b <= n for (a, b), n in zip(bounds, volume.shape, strict=True)):
        raise VolumeError(f"crop must be z0 z1 y0 y1 x0 x1 within the volume's {volume.shape}, got {crop}.")
    slices = tuple(slice(a, b) for a, b in bounds)
    origin = tuple(o + a * d for o, (a, _), d in zip(volume.origin_nm, bounds, volume.voxel_size_nm, strict=True))
    return Volume(np.asarray(volume.data[slices]), volume.voxel_size_nm, (origin[0], origin[1], origin[2]))


def write_results(result: Evaluation, folder: Path) -> list[Path]:
    """Table as text, CSV and JSON, and the figure."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("metrics.txt", "metrics.csv", "metrics.json", "comparison.png")]
    paths[0].write_text(f"{result.table()}\n\n{result.verdict()}\n", encoding="utf-8")
    result.to_csv(paths[1])
    result.to_json(paths[2])
    result.figure(paths[3])
    return paths


def demo(options: Demo) -> int:
    """Phantom, thinned sixfold, reconstructed, compared with the truth; every output named."""
    from napari_emgauss.methods.emgauss import Reconstruction, reconstruct
    from napari_emgauss.phantoms import phantom

    start = time.perf_counter()
    console = Console(highlight=False, soft_wrap=True, markup=False)
    folder = options.output
    folder.mkdir(parents=True, exist_ok=True)
    console.print(f"Drawing a synthetic EM volume and keeping every {DEMO_FACTOR}th section ...")
    truth = phantom(seed=options.seed)
    made: list[Reconstruction] = []
    with TrainingDisplay(console) as display:

        def emgauss(thinned: Volume) -> Callable[[float], FloatArray]:
            made.append(
                reconstruct(
                    thinned,
                    preset="balanced",
                    lateral_steps=DEMO_LATERAL_STEPS,
                    seed=options.seed,
                    device="cpu",
                    on_event=display,
                )
            )
            return made[0].render

        result = score(truth, DEMO_FACTOR, [*DEMO_METHODS, ("emgauss", emgauss)])
    outputs = [folder / name for name in ("sections.ome.tif", "model.emgauss", "isotropic.ome.tif")]
    write(truth.every(DEMO_FACTOR), outputs[0], overwrite=True)
    made[0].save(outputs[1])
    write(made[0].lazy(), outputs[2], overwrite=True)
    console.print(result.table())
    console.print(result.verdict())
    console.print(f"\nDone in {format_duration(time.perf_counter() - start)}. Written:")
    for path in [*outputs, *write_results(result, folder)]:
        console.print(f"  {path}")
    console.print("Next, on your own stack: napari-emgauss reconstruct stack.tif --voxel-size-nm 40 4 4")
    return 0
