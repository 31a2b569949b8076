"""The expected error against the error on withheld sections: ``python -m benchmarks.uncertainty fib.tif epfl.tif``.

The whole volumes' ``balanced`` models that `benchmarks.results` kept are compared with the withheld sections; a model
that is missing is trained.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from scipy.ndimage import uniform_filter

from benchmarks.cases import Cache, Case, run_apart
from benchmarks.crops import VOXEL_SIZE_NM, whole
from napari_emgauss.io import read
from napari_emgauss.methods.registry import load

FACTOR = 6
CELL_PX = 8
"""Side of a cell of the map of the uncertainty."""
COLUMNS = (
    "| volume | mean absolute error | expected | at the middle | expected there | correlation | of means over 8 × 8 px "
    "| within twice the expected |"
)


@dataclass(frozen=True)
class Options:
    """The error to expect against the error on withheld sections, in intensities of the input."""

    volumes: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Isotropic volumes."""
    cache: Path = Path("benchmark_output/results")
    """Folder of the models that ``benchmarks.results`` kept."""
    output: Path | None = None
    """Markdown file for the table, besides printing it."""


def row(volume: Path, cache: Cache) -> str:
    """One line of the table."""
    data = read(volume, voxel_size_nm=VOXEL_SIZE_NM)
    crop = whole(data.shape, FACTOR)
    case = Case(volume, crop, FACTOR, "balanced")
    model = cache.model(case)
    if not model.exists():
        cache.put(case, run_apart(case, model=model))
    reconstruction = load(model)
    withheld = [k for k in range(crop.planes) if k % FACTOR]
    error = np.stack([np.abs(reconstruction.render(k / FACTOR) - data.section(k)) for k in withheld])
    expected = np.stack([reconstruction.uncertainty(k / FACTOR) for k in withheld])
    middle = np.array([k % FACTOR == FACTOR // 2 for k in withheld])
    cells = [
        uniform_filter(maps, (0, CELL_PX, CELL_PX))[:, CELL_PX // 2 :: CELL_PX, CELL_PX // 2 :: CELL_PX].ravel()
        for maps in (expected, error)
    ]
    numbers = (
        *(f"{maps.mean():.2f}" for maps in (error, expected, error[middle], expected[middle])),
        f"{np.corrcoef(expected.ravel(), error.ravel())[0, 1]:.2f}",
        f"{np.corrcoef(*cells)[0, 1]:.2f}",
        f"{np.mean(error <= 2 * expected):.1%}",
    )
    return f"| {volume.stem} | " + " | ".join(numbers) + " |"


def main(options: Options) -> int:
    """Print the table."""
    cache = Cache(options.cache)
    lines = [COLUMNS, "|---" * (COLUMNS.count("|") - 1) + "|", *(row(volume, cache) for volume in options.volumes)]
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
