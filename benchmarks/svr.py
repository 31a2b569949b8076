"""The tables of docs/lab/svr.md: volumes from moving slices.

``python -m benchmarks.svr --tuning mni.nii.gz --report ch2.nii.gz --real folder --output docs/lab/svr.md``

Brains are shrunk by half, to the size of a fetus's at 1 mm. Each number is kept in ``--cache``, so that an interrupted
run continues where it stopped; the page is written anew after each.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from scipy.ndimage import binary_fill_holes, binary_opening, label

from benchmarks.svr_page import page
from napari_emgauss.evaluation.slices import GaussiansFromSlices, evaluate_slices, leave_stack_out
from napari_emgauss.io.stacks import read_stack, read_world_volume
from napari_emgauss.phantoms import Acquisition, SimulatedStacks, simulate_stacks
from napari_emgauss.slices import PROFILES, SliceProfile, SliceStack, WorldVolume

KNOWN = ("scattered", "cg:0.003", "cg:0.01", "cg:0.03", "cg:0.1", "svr")
UNKNOWN = ("mean", "scattered", "cg", "cg+stacks", "classical", "svr")
PROFILED = ("cg", "svr")
REAL = ("scattered", "cg", "cg+stacks", "classical:4", "classical", "svr")
HELD_OUT_RUN = 2
FWHM_OF_BOX = 2.3548 / 12**0.5
"""A Gaussian of this width by a thickness has the variance of a box of one thickness."""

CASES: Mapping[str, Acquisition] = {
    "clean": Acquisition(corrupted=0.0),
    "damaged": Acquisition(corrupted=0.05),
    "much motion": Acquisition(corrupted=0.05, motion_deg=6.0, motion_mm=3.0),
    "uneven gain": Acquisition(corrupted=0.0, gain=0.1),
    "coils": Acquisition(corrupted=0.0, bias=0.15),
    "box": Acquisition(corrupted=0.0, profile=PROFILES["box"]),
}
PROFILES_TRIED: Mapping[str, SliceProfile] = {
    "box": PROFILES["box"],
    "Gaussian, σ = thickness / √12": SliceProfile(through_scale=FWHM_OF_BOX),
    "Gaussian, FWHM = thickness": PROFILES["mri"],
    "Gaussian, FWHM = thickness / 2": SliceProfile(through_scale=0.5),
    "Gaussian, FWHM = 1.5 thickness": SliceProfile(through_scale=1.5),
}


@dataclass(frozen=True)
class Options:
    """Scores of volumes from moving slices, as one Markdown page."""

    tuning: Path
    """Volume (NIfTI, brain without skull) that settings are chosen on."""
    report: Path
    """One that is only reported."""
    real: Path | None = None
    """Folder with run-N_T2w.nii.gz and run-N_mask.nii.gz."""
    thickness_mm: float = 3.0
    """Of the real slices."""
    output: Path | None = None
    """Page to write; printed if not given."""
    cache: Path = Path("benchmark_output/svr")
    """Folder of the single results."""
    only: str = ""
    """Measure only what has this in its name; the page has all that is known."""
    again: bool = False
    """Measure even what the cache has; use it with ``only``."""


@dataclass(frozen=True)
class Measurement:
    """One row of a table."""

    table: str
    brain: str
    method: str
    run: Callable[[], Mapping[str, Any]]

    @property
    def name(self) -> str:
        """Like ``unknown motion, clean/ch2/classical``."""
        return f"{self.table}/{self.brain}/{self.method}"


@cache
def brain(path: Path) -> tuple[WorldVolume, np.ndarray]:
    """Return a brain shrunk by half, its voxels called 1 mm, and its mask."""
    values = read_world_volume(path).values
    even = values[tuple(slice(0, n // 2 * 2) for n in values.shape)]
    z, y, x = (n // 2 for n in even.shape)
    half = even.reshape(z, 2, y, 2, x, 2).mean((1, 3, 5))
    parts, _ = label(binary_opening(half > 0.15 * half.max()))
    mask = binary_fill_holes(parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1)
    at = np.argwhere(mask)
    box = tuple(slice(max(a - 6, 0), b + 7) for a, b in zip(at.min(0), at.max(0), strict=True))
    half, mask = half[box], mask[box]
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, ::-1]
    affine[:3, 3] = -(np.array(half.shape[::-1]) - 1) / 2
    return WorldVolume(half, affine), mask


@cache
def acquired(path: Path, case: str) -> SimulatedStacks:
    """Return stacks simulated of a brain."""
    return simulate_stacks(*brain(path), CASES[case], seed=0)


@cache
def real_stacks(folder: Path, thickness_mm: float) -> Sequence[SliceStack]:
    """Return all real stacks."""
    files = sorted(folder.glob("run-*_T2w.nii.gz"))
    return [
        read_stack(file, mask=file.with_name(file.name.replace("T2w", "mask")), thickness_mm=thickness_mm)
        for file in files
    ]


def simulated(table: str, path: Path, case: str, method: str, *, known: bool, profile: str = "") -> Measurement:
    """Return a method on stacks of a case."""

    def run() -> Mapping[str, Any]:
        scores = evaluate_slices(
            acquired(path, case),
            methods=[method],
            acquisition=CASES[case],
            known_motion=known,
            profile=PROFILES_TRIED[profile] if profile else None,
        )
        return asdict(scores.methods[0])

    return Measurement(table, short(path), f"{method}, {profile}" if profile else method, run)


ABLATED: Mapping[str, Mapping[str, Any]] = {
    "svr, no profile": {"through_scale": 0.05, "in_plane_scale": 0.05},
    "svr, no motion": {"motion": False},
    "svr, motion not smooth": {"smooth_motion": False},
    "svr, no weights": {"outliers": False},
    "svr, no gain": {"gain": False},
    "svr, no bias fields": {"bias_fields": False},
}


def ablated(table: str, path: Path, case: str, name: str) -> Measurement:
    """Return the method without one of its parts."""

    def run() -> Mapping[str, Any]:
        method = GaussiansFromSlices(CASES[case].profile, ABLATED[name])
        return asdict(evaluate_slices(acquired(path, case), methods=[(name, method)]).methods[0])

    return Measurement(table, short(path), name, run)


def short(path: Path) -> str:
    """Return what a brain is called."""
    return path.name.split(".")[0].split("_")[0]


def left_out(options: Options, runs: Sequence[int], method: str) -> Measurement:
    """Return a method on real stacks of which one is left out."""
    assert options.real is not None
    folder = options.real

    def run() -> Mapping[str, Any]:
        stacks = real_stacks(folder, options.thickness_mm)
        chosen = [stacks[r - 1] for r in (HELD_OUT_RUN, *runs)]
        scores = leave_stack_out(chosen, 0, [method], voxel_size_mm=float(chosen[0].spacing_mm[1]))
        return asdict(scores.methods[0])

    named = f"runs {' '.join(map(str, runs))}"
    return Measurement(f"real stacks, {named}", "fetus", method, run)


def plan(options: Options) -> Iterator[Measurement]:
    """Yield every measurement of the page."""
    for path in (options.tuning, options.report):
        for method in KNOWN:
            yield simulated("known motion, clean", path, "clean", method, known=True)
        for case in ("clean", "damaged", "much motion", "uneven gain", "coils"):
            for method in UNKNOWN if case == "clean" else ("cg+stacks", "classical", "svr"):
                yield simulated(f"unknown motion, {case}", path, case, method, known=False)
    for name in ABLATED:
        yield ablated("svr without one of its parts, damaged", options.tuning, "damaged", name)
    yield ablated("svr without one of its parts, uneven gain", options.tuning, "uneven gain", "svr, no gain")
    for path in (options.tuning, options.report):
        yield ablated("svr without one of its parts, coils", path, "coils", "svr, no bias fields")
    for profile in PROFILES_TRIED:
        for method in PROFILED:
            yield simulated("box profile, known motion", options.report, "box", method, known=True, profile=profile)
    if options.real is not None:
        for runs in ((1, 3, 5), (1, 3, 4, 5, 6)):
            for method in REAL:
                yield left_out(options, runs, method)


def main(options: Options) -> None:
    options.cache.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Mapping[str, Any]] = {}
    measurements = list(plan(options))
    files = {one.name: options.cache / (one.name.replace("/", "--") + ".json") for one in measurements}
    for one in measurements:
        file = files[one.name]
        wanted = options.only in one.name
        if wanted and (options.again or not file.exists()):
            try:
                result = one.run()
            except Exception as error:  # noqa: BLE001 - one method that fails must not end the others
                print(f"{one.name}: {type(error).__name__}: {error}", file=sys.stderr)
                continue
            file.write_text(json.dumps(dict(result)))
            print(one.name, {k: round(v, 3) for k, v in result.items() if isinstance(v, float)}, flush=True)
        if file.exists():
            rows[one.name] = json.loads(file.read_text())
        if options.output is not None:
            options.output.write_text(page([(m, rows.get(m.name)) for m in measurements]), encoding="utf-8")
    if options.output is None:
        print(page([(m, rows.get(m.name)) for m in measurements]))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(tyro.cli(Options))
