"""How much of the truth's change along z each method keeps: ``python -m benchmarks.spectrum fib.tif epfl.tif``.

Every factor-th plane is a section; the planes between are drawn by each method and the sections are kept. Power along
z is compared with the truth's in bands of frequency: 1 where a method changes along z as much as the truth does, less
where it blurs, more where it adds what is not there. Noise of the truth counts as change; no prediction contains it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from benchmarks.crops import TUNED_PLANES, Crop, report_crops
from napari_emgauss._types import AnyArray
from napari_emgauss.evaluation.sources import MethodSpec, resolve_methods
from napari_emgauss.io import read

METHODS = ("linear", "cubic", "flow", "flow+blur0.7", "learned", "emgauss:fast", "emgauss:balanced")
PERIODS_PLANES = (60.0, 24.0, 12.0, 6.0, 3.0)
"""Bounds of the bands, as planes in which a wave repeats."""


@dataclass(frozen=True)
class Options:
    """Power along z relative to the truth, in bands of frequency."""

    volumes: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Isotropic volumes of 8 bits."""
    factor: int = 6
    """Every factor-th plane is a section."""
    methods: tuple[str, ...] = METHODS
    """What is compared."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Markdown file."""


def power_along_z(volume: AnyArray) -> AnyArray:
    """Return the mean power (Z/2 + 1) of all columns of a volume (Z, Y, X) along z, in a Hann window."""
    values = np.asarray(volume, np.float32)
    columns = (values - values.mean(axis=0)) * np.hanning(len(values)).astype(np.float32)[:, None, None]
    return np.asarray((np.abs(np.fft.rfft(columns, axis=0)) ** 2).mean(axis=(1, 2)))


def shares(volume: AnyArray, truth: AnyArray) -> list[float]:
    """Return the power of ``volume`` in each band of `PERIODS_PLANES`, as a share of that of ``truth``."""
    frequencies = np.fft.rfftfreq(len(truth))
    power, true_power = power_along_z(volume), power_along_z(truth)
    found = []
    for longest, shortest in pairwise(PERIODS_PLANES):
        band = (frequencies >= 1 / longest) & (frequencies < 1 / shortest)
        found.append(float(power[band].sum() / true_power[band].sum()))
    return found


def drawn(path: Path, crop: Crop, spec: MethodSpec, factor: int) -> tuple[AnyArray, AnyArray]:
    """Return a crop as a method draws it, with the sections as they are, and the truth."""
    volume = crop.read(path)
    truth = np.asarray(volume.data)
    draw = spec.factory(volume.every(factor))
    planes = [truth[k] if k % factor == 0 else np.clip(draw(k / factor), 0, 255) for k in range(len(truth))]
    return np.stack(planes).astype(np.float32), truth.astype(np.float32)


def rows(path: Path, factor: int, methods: tuple[str, ...]) -> list[str]:
    """Return the lines of a table: each method's shares, as means over the report crops of a volume."""
    shape = read(path, voxel_size_nm=(8.0, 8.0, 8.0)).shape
    crops = report_crops(shape, factor, tuned_planes=TUNED_PLANES.get(path.stem, 0))
    lines = []
    for spec in resolve_methods(methods, preset="balanced"):
        found = np.mean([shares(*drawn(path, crop, spec, factor)) for crop in crops], axis=0)
        lines.append(f"| {path.stem} | {spec.name} | {' | '.join(f'{share:.2f}' for share in found)} |")
    return lines


def table(options: Options) -> str:
    """Return the page."""
    bands = [f"{a:g} to {b:g} planes" for a, b in pairwise(PERIODS_PLANES)]
    lines = [f"| volume | method | {' | '.join(bands)} |", "|---|---|" + "---|" * len(bands)]
    for path in options.volumes:
        lines += rows(path, options.factor, options.methods)
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the table, or write its page."""
    options = tyro.cli(Options)
    text = table(options)
    sys.stdout.write(text)
    if options.output is not None:
        names = " ".join(path.name for path in options.volumes)
        options.output.write_text(
            f"# Change along z\n\n`python -m benchmarks.spectrum {names} --output {options.output}`\n\n"
            f"Power along z as a share of the truth's, at ×{options.factor}, in bands of the number of planes in which "
            "a wave repeats; means over the report crops, observed sections kept as they are. 1 is the truth, less "
            "is blur. The truth's own noise counts as change along z; no prediction contains it.\n\n" + text,
            encoding="utf-8",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
