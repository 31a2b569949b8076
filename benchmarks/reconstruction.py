"""Quality, seconds and peak memory of the presets: ``python -m benchmarks.reconstruction fib.tif epfl.tif``.

Every case runs in a process of its own, so that its peak memory is its own. Settings were chosen on the first halves
of the volumes; the crops here lie in the second halves.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.console import Console

from napari_emgauss.evaluation import evaluate
from napari_emgauss.io import read
from napari_emgauss.methods.emgauss import reconstruct
from napari_emgauss.phantom import phantom
from napari_emgauss.volume import Volume

BASELINES = ("linear", "linear+blur0.7", "linear+blur1.0", "flow+blur0.7", "flow+blur1.0")


@dataclass(frozen=True)
class Case:
    """One crop of a volume and one preset."""

    volume: Annotated[Path, tyro.conf.Positional]
    """Isotropic volume."""
    preset: str
    """Preset to train, or ``baselines`` for plain interpolation."""
    crop: tuple[int, int, int, int]
    """First plane, row and column, and the side in pixels."""
    sections: int
    """Observed sections."""
    factor: int = 6
    """Every factor-th section is kept."""


@dataclass(frozen=True)
class Options:
    """Table of all presets on crops of isotropic volumes."""

    volumes: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Isotropic volumes."""
    presets: tuple[str, ...] = ("fast", "balanced", "best")
    """Presets to train."""
    case: str = ""
    """Used internally: one case as JSON."""


def cases(volume: Path, presets: tuple[str, ...]) -> list[Case]:
    """Two sizes in the second half of a volume, as far as it is large enough."""
    depth, height, width = read(volume, voxel_size_nm=(8, 8, 8)).shape
    found = []
    for sections, side in ((7, 128), (11, 192)):
        planes = (sections - 1) * 6 + 1
        if planes <= depth:
            crop = (depth - planes, height - side, width - side, side)
            found += [Case(volume, name, crop, sections) for name in ("baselines", *presets)]
    return found


def measure(case: Case) -> list[dict[str, Any]]:
    """Scores of one case, in this process."""
    z, y, x, side = case.crop
    planes = (case.sections - 1) * case.factor + 1
    volume = read(case.volume, voxel_size_nm=(8, 8, 8))
    crop = Volume(np.array(volume.data[z : z + planes, y : y + side, x : x + side]), (8, 8, 8))
    del volume
    methods = BASELINES if case.preset == "baselines" else (f"emgauss:{case.preset}",)
    result = evaluate(crop, case.factor, methods, with_fsim=False)
    return [
        {
            "volume": case.volume.stem,
            "size": f"{case.sections}×{side}×{side}",
            "method": m.method,
            "psnr_db": m.psnr_db,
            "ssim": m.ssim,
            "xz_ssim": m.xz_ssim,
            "seconds": m.fit_seconds,
            "peak_mib": m.process_peak_mib,
        }
        for m in result.methods
    ]


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
    if options.case:
        values = json.loads(options.case)
        rows = measure(Case(Path(values.pop("volume")), crop=tuple(values.pop("crop")), **values))
        sys.stdout.write(json.dumps(rows))
        return
    console.print("| volume | observed | method | PSNR (dB) | SSIM | xz SSIM | seconds | peak MiB |")
    console.print("|---|---|---|---|---|---|---|---|")
    for volume in options.volumes:
        for case in cases(volume, options.presets):
            text = json.dumps(asdict(case), default=str)
            command = [sys.executable, "-m", "benchmarks.reconstruction", str(volume), "--case", text]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            for r in json.loads(done.stdout):
                console.print(
                    f"| {r['volume']} | {r['size']} | {r['method']} | {r['psnr_db']:.2f} | {r['ssim']:.3f} | "
                    f"{r['xz_ssim']:.3f} | {r['seconds']:.1f} | {r['peak_mib']:.0f} |"
                )
    console.print(f"\nDrawing one 500 × 500 section: {render_milliseconds():.0f} ms (median of 25)")


if __name__ == "__main__":
    main(tyro.cli(Options))
