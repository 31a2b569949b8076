"""Speed on a GPU: ``python -m benchmarks.gpu --output docs/lab/gpu.md``.

The sum of Gaussians, forward and backward, and trainings of presets on a large stack, beside the CPU of the same
machine (``--cpu``: it takes long) and beside what the card could do at best. ``--kept`` adds to what was
measured before. What is written by hand below `NOTES` on the page stays.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from benchmarks.crops import VOXEL_SIZE_NM
from benchmarks.sizes import BIG, FACTOR, TILE, mirrored
from napari_emgauss.evaluation.pace import OPERATIONS_PER_PAIR, Pace, Workload, operations_per_s, splat_pace
from napari_emgauss.forward.newton import ITERATIONS
from napari_emgauss.io import read
from napari_emgauss.methods.emgauss import Reconstruction, preset, reconstruct
from napari_emgauss.phantoms import phantom
from napari_emgauss.render.rules import CUTOFF_EXPONENT
from napari_emgauss.runtime.threads import usable_cores
from napari_emgauss.training import Control, Event, Progress
from napari_emgauss.volume import Volume

PASSES = 3 + 2 * ITERATIONS
"""Times that a Gauss-Newton step goes through all pairs of Gaussians and pixels: it draws once, projects slope and
curvature, and draws and projects in every conjugate gradient."""
HEAD = """# On a GPU

What `python -m benchmarks.gpu` measures; `napari-emgauss doctor --gpu` tests any machine's GPU.

- **Splatting**: 60,000 Gaussians of 130 px on 500 × 500, `sum`, the shortest of many repeats; launched operation by
  operation, as a training does, and as one CUDA graph, which leaves out the launches.
- **Trainings**: 84 sections of 500 × 500, ×6: a phantom mirrored to size, or a volume given. Each is made twice: the
  first time kernels are compiled that are kept for the next, and both are compared bit for bit. Quality is the subject
  of [Results](results.md); the self-test compares scores on both devices.
- **Bandwidth**: what a copy within the card's memory reaches, read and written. A splat and its gradient must move 48
  bytes per Gaussian and 8 per pixel; lists of which Gaussian reaches which tile are not counted.
- **Arithmetic**: a Gaussian costs 12 operations at a pixel it is drawn on and 28 in the gradient, an exponential
  counted as one. The bound of a training is that of its Gauss-Newton steps: each goes 11 times through all pairs, with
  20 operations each, at two operations per lane and clock. Teacher, optical flow and reading have no bound.

`alpha` (preset `paper`) is gsplat's: it sorts, waits for the number of pairs in every step, and sums gradients in
another order in every run, so that its trainings do not repeat bit for bit. All others do.

Apple's `mps` is not offered: positions are computed in float64, which it does not have.
"""
NOTES = "## What the figures say"
"""Heading of what is written by hand."""
MISSING = "\n**Figures are missing**: no GPU has been measured yet.\n"


@dataclass(frozen=True)
class Options:
    """Speed of splatting and training on a GPU."""

    presets: str = "fast,balanced,paper"
    """Presets to train, separated by commas; empty for none."""
    cpu: bool = False
    """Measure the CPU too; ``balanced`` takes minutes, ``paper`` hours."""
    gpu: bool = True
    """Measure the GPU."""
    twice: bool = True
    """Train twice, and compare."""
    most_s: float = math.inf
    """Seconds after which a training is stopped; its pace then tells how long it would take."""
    shape: tuple[int, int, int] = BIG
    """Sections, rows and columns of the stack."""
    volume: Path | None = None
    """Isotropic volume to mirror to size instead of a phantom."""
    report: Path | None = None
    """What ``napari-emgauss doctor --gpu --report`` wrote, to be shown on the page."""
    kept: Annotated[Path | None, tyro.conf.arg(metavar="FILE.json")] = None
    """What was measured, read if it is there and added to."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="FILE.md")] = None
    """Markdown file, besides printing it."""


@dataclass(frozen=True)
class Training:
    """Costs of a training."""

    preset: str
    device: str
    seconds: float
    """Of the last one."""
    first_s: float
    """Of the first one in a process, in which kernels are compiled; NaN if there was but one."""
    alike: bool | None
    """Whether both are alike, bit for bit; None if there was but one."""
    share: float
    """Iterations made, of all: below 1 where it was stopped."""
    n_gaussians: int
    bound_s: float
    """Time of the Gauss-Newton steps at the device's peak; NaN where there are none, or the peak is unknown."""
    peak_mib: float
    """Of the GPU; NaN on the CPU."""
    seconds_of_stage: dict[str, float]


@dataclass(frozen=True)
class Measured:
    """What the page shows."""

    paces: dict[str, Pace] = field(default_factory=dict)
    trainings: list[Training] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path | None) -> Measured:
        """What was measured before; nothing where there is no such file."""
        if path is None or not path.exists():
            return cls()
        values = json.loads(path.read_text(encoding="utf-8"))
        paces = {name: Pace(**pace) for name, pace in values["paces"].items()}
        return cls(paces, [Training(**training) for training in values["trainings"]])

    def add(self, training: Training) -> None:
        """Add a training, in the place of one of the same preset and device."""
        key = (training.preset, training.device)
        self.trainings[:] = [*(t for t in self.trainings if (t.preset, t.device) != key), training]


def stack_of(options: Options) -> Volume:
    """The anisotropic stack to train on."""
    source = phantom(TILE) if options.volume is None else read(options.volume, voxel_size_nm=VOXEL_SIZE_NM)
    dz, dy, dx = source.voxel_size_nm
    thinned = mirrored(np.asarray(source.data)[::FACTOR], options.shape)
    return Volume(np.ascontiguousarray(thinned), (dz * FACTOR, dy, dx))


def train(stack: Volume, name: str, device: torch.device, *, twice: bool = False, most_s: float = math.inf) -> Training:
    """Train once or twice, and print what each stage took as soon as it is over."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    first = timed_training(stack, name, device, most_s) if twice else None
    seconds, made, stages, share = timed_training(stack, name, device, most_s)
    peak = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else math.nan
    return Training(
        name,
        device_name(device),
        seconds,
        math.nan if first is None else first[0],
        None if first is None or min(share, first[3]) < 1 else alike(first[1], made),
        share,
        made.n_gaussians,
        bound_s(made, device),
        peak,
        stages,
    )


def timed_training(
    stack: Volume, name: str, device: torch.device, most_s: float
) -> tuple[float, Reconstruction, dict[str, float], float]:
    """Seconds of a training, what it made, seconds of its stages, and the share of its iterations that it made."""
    stages: dict[str, float] = {}
    begun, share, control = "", 0.0, Control()
    start = last = time.perf_counter()

    def note(event: Event) -> None:
        nonlocal last, begun, share
        if isinstance(event, Progress):
            now = time.perf_counter()
            if event.stage != begun and begun:
                print(f"{name}, {device}: {begun} {stages[begun]:.2f} s", flush=True)
            stages[event.stage], begun = stages.get(event.stage, 0.0) + now - last, event.stage
            last, share = now, event.iteration / max(event.n_iterations, 1)
            if now - start > most_s and not control.stopped:
                control.stop(at_once=True)

    # What is mirrored can look damaged.
    made = reconstruct(stack, preset=name, device=str(device), on_event=note, control=control, leave_out_damaged=False)
    seconds = time.perf_counter() - start
    stages["end"] = time.perf_counter() - last
    print(f"{name}, {device}: {seconds:.2f} s in all, {share:.1%} of the iterations", flush=True)
    return seconds, made, stages, share if control.stopped else 1.0


def alike(first: Reconstruction, second: Reconstruction) -> bool:
    """Whether two models are the same, bit for bit."""
    states = ((a.state_dict(), b.state_dict()) for a, b in zip(first.models, second.models, strict=True))
    return all(torch.equal(a[name], b[name]) for a, b in states for name in a)


def bound_s(made: Reconstruction, device: torch.device) -> float:
    """Seconds of a training's Gauss-Newton steps at the device's peak."""
    peak, steps = operations_per_s(device), preset(made.record["preset"]).training.newton_steps
    if made.config.model.field != "anchored":
        return math.nan
    pairs = sum(
        float(2 * math.pi * CUTOFF_EXPONENT * model.gaussians.log_scale.sum(-1).exp().sum()) for model in made.models
    )
    return steps * PASSES * (OPERATIONS_PER_PAIR / 2) * pairs / peak


def device_name(device: torch.device) -> str:
    """Name for the tables."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {usable_cores()} cores"


def splat_table(paces: dict[str, Pace]) -> Iterator[str]:
    """Lines of the table of splatting."""
    yield "\n## Splatting\n"
    yield (
        "| device | forward (ms) | backward (ms) | both as a CUDA graph (ms) | bound by arithmetic (ms) "
        "| bound by bandwidth (ms) | peak (TFLOP/s) | copy (GB/s) |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for name, pace in paces.items():
        times = (pace.forward_s, pace.backward_s, pace.graph_s, pace.arithmetic_bound_s, pace.bandwidth_bound_s)
        cells = (f"{1e3 * seconds:.4g}" if math.isfinite(seconds) else "–" for seconds in times)
        peak = f"{pace.peak / 1e12:.0f}" if math.isfinite(pace.peak) else "–"
        yield f"| {name} | {' | '.join(cells)} | {peak} | {pace.copied / 1e9:.0f} |"


def training_table(trainings: list[Training], shape: tuple[int, int, int]) -> Iterator[str]:
    """Lines of the table of trainings, and of where their time went."""
    yield f"\n## Trainings\n\n{shape[0]} sections of {shape[1]} × {shape[2]}.\n"
    yield (
        "| preset | device | all (s) | first time (s) | both alike | Gaussians (millions) | bound of the steps (s) "
        "| peak on the GPU (MiB) |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for t in trainings:
        first, bound, peak = (f"{v:.3g}" if math.isfinite(v) else "–" for v in (t.first_s, t.bound_s, t.peak_mib))
        same = "–" if t.alike is None else "yes" if t.alike else "no"
        took = f"{t.seconds:.1f}"
        if t.share < 1:
            took = f"stopped after {took}, {t.share:.1%} of the iterations"
        cells = (f"`{t.preset}`", t.device, took, first, same, f"{t.n_gaussians / 1e6:.2f}", bound, peak)
        yield f"| {' | '.join(cells)} |"
    yield "\nSeconds until the progress of each stage was told:\n"
    for t in trainings:
        told = ", ".join(f"{stage or 'begin'} {seconds:.1f}" for stage, seconds in t.seconds_of_stage.items())
        yield f"- `{t.preset}`, {t.device}: {told}"


def page(measured: Measured, shape: tuple[int, int, int], *, notes: str = "", report: str = "") -> str:
    """Text of the page, with what is written by hand and what a self-test reported."""
    if not measured.paces:
        return HEAD + MISSING
    today = dt.datetime.now(tz=dt.UTC).date()
    lines = [HEAD, f"Measured on {today} with torch {torch.__version__}.", *splat_table(measured.paces)]
    lines += training_table(measured.trainings, shape) if measured.trainings else ()
    lines += ["", notes.strip()] if notes else []
    if report:
        lines += ["\n## Self-test\n", "```text", report.strip(), "```"]
    return "\n".join(lines) + "\n"


def notes_on(text: str) -> str:
    """What is written by hand on a page, with its heading; empty if there is none."""
    found = re.search(rf"^{re.escape(NOTES)}$.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[0] if found else ""


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    devices = [torch.device("cuda")] if options.gpu and torch.cuda.is_available() else []
    devices += [torch.device("cpu")] if options.cpu else []
    if not devices:
        print("torch finds no GPU: see napari-emgauss doctor --gpu. --cpu measures the CPU.")
    report = "" if options.report is None else options.report.read_text(encoding="utf-8")
    names = [name for name in options.presets.split(",") if name]
    begun = time.perf_counter()
    stack = stack_of(options) if devices and names else None
    print(f"making the stack took {time.perf_counter() - begun:.1f} s", flush=True)
    measured = Measured.read(options.kept)
    for device in devices:
        if device_name(device) not in measured.paces:
            measured.paces[device_name(device)] = splat_pace(device, Workload())
            print(measured.paces[device_name(device)], flush=True)
        for name in names:
            assert stack is not None
            measured.add(train(stack, name, device, twice=options.twice, most_s=options.most_s))
            print(measured.trainings[-1], flush=True)
            write(measured, options, report)  # what comes may be cut short
    print(write(measured, options, report))


def write(measured: Measured, options: Options, report: str) -> str:
    """Write the page and what was measured, as far as they are wanted; return the page."""
    written = options.output.read_text(encoding="utf-8") if options.output and options.output.exists() else ""
    text = page(measured, options.shape, notes=notes_on(written), report=report)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    if options.kept is not None:
        options.kept.write_text(json.dumps(asdict(measured)), encoding="utf-8")
    return text


if __name__ == "__main__":
    main()
