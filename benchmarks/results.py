"""The table of docs/lab/results.md: ``python -m benchmarks.results fib.tif epfl.tif --output docs/lab/results.md``.

Every case runs in a process of its own and its result is kept in ``--cache``, so that an interrupted run continues
where it stopped; the page is written anew after each. ``--presets fast balanced best`` adds ``best``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from benchmarks.cases import Cache, Case, run_apart
from benchmarks.crops import TUNED_PLANES, VOXEL_SIZE_NM, Crop, report_crops, tuning_crop, whole
from benchmarks.results_page import page
from napari_emgauss.io import read

PLAIN = tuple(f"{method}{blur}" for method in ("linear", "cubic", "flow") for blur in ("", "+blur0.7", "+blur1.0"))
MAIN_FACTOR = 6


@dataclass(frozen=True)
class Options:
    """Quality, training time and peak memory on withheld sections, as one Markdown page."""

    volumes: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Isotropic volumes."""
    output: Path | None = None
    """Page to write; printed if not given."""
    cache: Path = Path("benchmark_output/results")
    """Folder of the single results."""
    presets: tuple[str, ...] = ("fast", "balanced")
    """Presets to train."""
    factors: tuple[int, ...] = (6, 4, 8, 10)
    """Factors. 6: several crops and the whole volume; the others: one crop."""
    crops: int = 3
    """Report crops at factor 6."""
    whole: bool = True
    """Whether the whole volume is scored, at factor 6."""
    tuning: bool = False
    """Score the crop that settings were chosen on, too; the summaries are without it."""
    only: tuple[str, ...] = ()
    """Measure only the cases whose name contains one of these, or matches it as a pattern; the page has all known."""
    again: bool = False
    """Measure even what the cache has; use it with ``only``."""
    list_cases: bool = False
    """Name the cases and whether they are known, and measure nothing."""
    seed: int = 0
    """Seed of the training."""
    device: str = "auto"
    """Device of the training."""


def plan(options: Options) -> list[Case]:
    """All cases of the page, the quick ones first."""
    found = []
    for volume in options.volumes:
        for crop, factor in parts(volume, options):
            for method in (*PLAIN, *options.presets):
                found.append(Case(volume, crop, factor, method, options.seed, options.device))
    found = [replace(case, seed=0, device="cpu") if not case.trains else case for case in found]
    names = (*PLAIN, *options.presets)
    return sorted(found, key=lambda case: (case.trains, case.crop.role == "whole", names.index(case.method)))


def parts(volume: Path, options: Options) -> Iterator[tuple[Crop, int]]:
    """Crops of one volume with their factors."""
    shape = read(volume, voxel_size_nm=VOXEL_SIZE_NM).shape
    tuned = TUNED_PLANES.get(volume.stem, 0)
    for factor in options.factors:
        n = options.crops if factor == MAIN_FACTOR else 1
        yield from ((crop, factor) for crop in report_crops(shape, factor, tuned_planes=tuned, n=n))
        if factor == MAIN_FACTOR and options.tuning:
            yield tuning_crop(shape, factor), factor
        if factor == MAIN_FACTOR and options.whole:
            yield whole(shape, factor), factor


def chosen(case: Case, only: tuple[str, ...]) -> bool:
    """Whether ``only`` names the case; no names mean all."""
    return not only or any(text in case.name or fnmatchcase(case.name, text) for text in only)


def main(options: Options) -> int:
    """Measure what is missing and write the page after each case; 1 if a case failed."""
    console = Console(width=160)
    cache, cases = Cache(options.cache), plan(options)
    if options.list_cases:
        for case in cases:
            console.print(f"{'known  ' if cache.get(case) else 'missing'} {case.name}")
        return 0
    wanted = [case for case in cases if chosen(case, options.only) and (options.again or cache.get(case) is None)]
    if any(case.trains for case in wanted):
        warm_up(options.device)
    failed = 0
    for index, case in enumerate(wanted, start=1):
        start = time.perf_counter()
        try:
            model = cache.model(case) if case.crop.role == "whole" and case.trains else None
            cache.put(case, run_apart(case, model=model))
        except RuntimeError as error:
            failed += 1
            console.print(f"[red]{case.name}[/red]: {error}", highlight=False)
        else:
            console.print(f"{index}/{len(wanted)} {case.name}: {time.perf_counter() - start:.0f} s", highlight=False)
        _write(options, cases, cache)
    text = _write(options, cases, cache)
    if options.output is None:
        sys.stdout.write(text)
    return 1 if failed else 0


def warm_up(device: str) -> None:
    """Compile the kernels, so that the first case does not pay for it."""
    program = (
        "from napari_emgauss.phantoms import phantom; from napari_emgauss.methods.emgauss import reconstruct; "
        f"reconstruct(phantom((25, 48, 48)).every(6), device={device!r}, lateral_steps=2, joint=1, bootstrap=1)"
        ".render(0.5)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def _write(options: Options, cases: list[Case], cache: Cache) -> str:
    command = "python -m benchmarks.results " + " ".join(volume.name for volume in options.volumes)
    if options.presets != Options.presets:
        command += " --presets " + " ".join(options.presets)
    text = page([(case, cache.get(case)) for case in cases], f"{command} --output docs/lab/results.md")
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options)))
