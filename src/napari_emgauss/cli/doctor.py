"""``napari-emgauss doctor``: a check of this machine."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from napari_emgauss.errors import ConfigError
from napari_emgauss.runtime.memory import available_bytes
from napari_emgauss.units import format_bytes

PACKAGES = ("numpy", "numba", "torch", "opencv-python-headless", "scikit-image", "tifffile", "zarr", "mrcfile", "h5py")
MIN_FREE_BYTES = 1.6e9
MARKS = {"ok": "[green]ok[/]", "limited": "[yellow]limited[/]", "missing": "[red]missing[/]"}


@dataclass(frozen=True)
class Check:
    """One row of the table: a subject, its state, and what to do about it."""

    subject: str
    state: Literal["ok", "limited", "missing"]
    detail: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Check what works on this machine, and say what to do about what does not."""

    gpu: bool = False
    """Test the GPU: its results against the CPU's, a short training on both, and its speed. Takes a minute."""
    report: Path | None = None
    """Text file for what the test of the GPU finds, to attach to a report."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Print all checks; return 1 if something required is missing, or the GPU does not do what it should."""
        if self.report is not None and not self.gpu:
            raise ConfigError(f"--report {self.report} was given without --gpu, whose findings it is for. Add --gpu.")
        if self.gpu:
            return self._test_gpu()
        found = [python(), *packages(), memory(), *devices(), kernels(), napari()]
        table = Table(box=None, pad_edge=False)
        for title in ("what", "state", "detail", "what to do"):
            table.add_column(title, overflow="fold")
        for f in found:
            table.add_row(f.subject, MARKS[f.state], f.detail.replace("[", r"\["), f.remedy.replace("[", r"\["))
        Console(highlight=False).print(table)
        return 1 if any(f.state == "missing" for f in found) else 0

    def _test_gpu(self) -> int:
        from napari_emgauss.evaluation.self_test import self_test  # slow: torch, and all that trains

        console = Console(highlight=False, markup=False, soft_wrap=True)
        tested = self_test(tell=lambda finding: console.print(str(finding)))
        console.print(tested.verdict)
        if self.report is not None:
            self.report.write_text(f"{tested}\n", encoding="utf-8")
            console.print(f"Written to {self.report}.")
        return 0 if tested.passed else 1


def python() -> Check:
    """Check the version of Python."""
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Check("Python", "ok" if good else "limited", text, "" if good else "Use Python 3.11, 3.12 or 3.13.")


def packages() -> list[Check]:
    """Check the required packages and their versions."""
    rows = []
    for name in PACKAGES:
        try:
            rows.append(Check(name, "ok", version(name)))
        except PackageNotFoundError:
            rows.append(Check(name, "missing", "not installed", "pip install --upgrade napari-emgauss"))
    return rows


def memory() -> Check:
    """Check the free memory."""
    free = available_bytes()
    good = free > MIN_FREE_BYTES
    remedy = "" if good else f"Close other programs: a small stack needs about {format_bytes(MIN_FREE_BYTES)}."
    return Check("memory", "ok" if good else "limited", f"{format_bytes(free)} free", remedy)


def devices() -> list[Check]:
    """Check CPU threads, CUDA and the rasterizers that draw there."""
    import torch

    from napari_emgauss.render import available_backends, get_threads

    rows = [Check("CPU", "ok", f"{os.cpu_count()} cores, {get_threads()} threads for the kernels")]
    if torch.cuda.is_available():
        rows.append(Check("GPU", "ok", f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"))
    else:
        remedy = "Fine without. With an NVIDIA GPU, install a CUDA build of torch (pytorch.org)."
        rows.append(Check("GPU", "limited", "torch finds no CUDA device; training runs on the CPU", remedy))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for state in available_backends(device):
        if state.name in ("dense", "torch") or (state.name == "cpu" and device == "cuda"):
            continue
        detail = f"draws {' and '.join(state.modes)}" if state.ok else state.reason
        rows.append(Check(f"rasterizer {state.name}", "ok" if state.ok else "limited", detail, state.remedy))
    return rows


def kernels() -> Check:
    """Check that the compiled kernels draw what their definition says."""
    import torch

    from napari_emgauss.render import splat

    arguments = (torch.tensor([[4.0, 5.0]]), torch.tensor([[0.5, 0.1, 0.4]]), torch.tensor([1.0]), (9, 11))
    try:
        error = (splat(*arguments, backend="cpu") - splat(*arguments, backend="dense")).abs().max().item()
    except Exception as failure:  # noqa: BLE001 - whatever is broken, the doctor reports it
        return Check("kernels", "missing", f"{type(failure).__name__}: {failure}", "pip install --upgrade numba")
    good = error < 1e-4
    return Check("kernels", "ok" if good else "missing", f"compiled; differ from the definition by {error:.0e}")


def napari() -> Check:
    """Check that napari is installed; it is not imported."""
    try:
        return Check("napari", "ok", version("napari"))
    except PackageNotFoundError:
        return Check("napari", "limited", "not installed: command line only", 'pip install "napari-emgauss[all]"')
