"""Quality, seconds and peak memory of the presets: ``python -m benchmarks.reconstruction fib.tif epfl.tif``.

A short version of `benchmarks.results`: two sizes of crop, both at the far end of the volume; settings were chosen
on the first halves. Every case runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.console import Console

from benchmarks.cases import Case, run_apart
from benchmarks.crops import VOXEL_SIZE_NM, Crop
from napari_emgauss.io import read
from napari_emgauss.methods.emgauss import reconstruct
from napari_emgauss.phantoms import phantom

BASELINES = ("linear", "linear+blur0.7", "linear+blur1.0", "flow+blur0.7", "flow+blur1.0")
FACTOR = 6


@dataclass(frozen=True)
class Options:
    """Table of all presets on crops of isotropic volumes."""

    volumes: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Isotropic volumes."""
    presets: tuple[str, ...] = ("fast", "balanced", "best")
    """Presets to train."""


def cases(volume: Path, presets: tuple[str, ...]) -> list[Case]:
    """Two sizes in the second half of a volume, as far as it is large enough."""
    depth, height, width = read(volume, voxel_size_nm=VOXEL_SIZE_NM).shape
    found = []
    for sections, side in ((7, 128), (11, 192)):
        planes = (sections - 1) * FACTOR + 1
        if planes <= depth:
            crop = Crop(depth - planes, height - side, width - side, planes, side, side)
            found += [Case(volume, crop, FACTOR, name, with_fsim=False) for name in (*BASELINES, *presets)]
    return found


def render_milliseconds(side: int = 500) -> float:
    """Median time of drawing one whole section between two observed ones."""
    stack = phantom((7, side, side), seed=0).every(6)
    result = reconstruct(stack, preset="fast", joint=5, bootstrap=1)
    times = []
    for z in np.linspace(0.05, 0.95, 25):
        start = time.perf_counter()
        result.render(float(z))
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1e3)


def main(options: Options) -> None:
    """Run every case and print the table as Markdown."""
    console = Console(width=160)
    console.print("| volume | observed | method | PSNR (dB) | SSIM | xz SSIM | seconds | peak MiB |")
    console.print("|---|---|---|---|---|---|---|---|")
    for volume in options.volumes:
        for case in cases(volume, options.presets):
            r, side = run_apart(case), case.crop.height_px
            console.print(
                f"| {volume.stem} | {(case.crop.planes - 1) // FACTOR + 1}×{side}×{side} | {case.method} | "
                f"{r['psnr_db']:.2f} | {r['ssim']:.3f} | {r['xz_ssim']:.3f} | {r['fit_seconds']:.1f} | "
                f"{r['process_peak_mib']:.0f} |"
            )
    console.print(f"\nDrawing one 500 × 500 section: {render_milliseconds():.0f} ms (median of 25)")


if __name__ == "__main__":
    main(tyro.cli(Options))
