"""Time, processor time and memory of one process and of several workers, whose models must be equal."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import tyro
from tyro.conf import Positional

import napari_emgauss as eg
from benchmarks.jobs.commands import Commands, entries
from benchmarks.jobs.used import Used
from napari_emgauss.runtime.threads import usable_cores

COLUMNS = (
    "| stack | way | seconds | CPU seconds | before the blocks | blocks | cores in the blocks | after them "
    "| largest process (MiB) |"
)
ALL_CORES, ONE_CORE = "one process", "one process on one core"


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Time a training by one process, by one that is held to one core, and by workers."""

    stacks: Positional[tuple[Path, ...]]
    """Stacks in files."""
    preset: str = "fast"
    """Preset."""
    workers: int = 2
    """Workers."""
    set: tuple[str, ...] = ()
    """Other settings. Blocks must be many enough to be shared."""
    one_core: bool = True
    """Time the process on one core as well."""
    turns: int = 1
    """How often each way is timed: forth, back, forth, and so on."""
    studied_once: bool = False
    """Begin where the first run has studied the stack: times are those of the blocks and what follows."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File for the table, written as it goes."""

    def run(self) -> str:
        """Return the table."""
        lines = [COLUMNS, "|---" * (COLUMNS.count("|") - 1) + "|"]
        ways = [ALL_CORES, *([ONE_CORE] if self.one_core else []), f"{self.workers} workers"]
        for stack in self.stacks:
            with tempfile.TemporaryDirectory() as name:
                timed = _Timed(self, stack.absolute(), Commands(Path(name)))
                for turn in range(self.turns):
                    for way in ways[:: -1 if turn % 2 else 1]:
                        lines.append(timed.row(way))
                        sys.stderr.write(lines[-1] + "\n")
                        if self.output is not None:
                            self.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return "\n".join([*lines, "", f"{usable_cores()} cores; every model of a stack is equal to the byte."])


class _Timed:
    """Runs on one stack."""

    def __init__(self, options: Speed, stack: Path, commands: Commands) -> None:
        self.options, self.stack, self.commands = options, stack, commands
        self.shape = " × ".join(map(str, eg.read(stack).shape))
        self.model: bytes | None = None

    def row(self, way: str) -> str:
        """Train once; return a line of the table."""
        folder, options = self.commands.folder, self.options
        job, model, studied = folder / "job", folder / "model.emgauss", folder / "studied"
        shutil.rmtree(job, ignore_errors=True)
        model.unlink(missing_ok=True)
        if options.studied_once and studied.exists():
            shutil.copytree(studied, job)
        arguments = ["reconstruct", str(self.stack), "-o", str(model), "--checkpoint", str(job)]
        arguments += ["--preset", options.preset, *(["--set", *options.set] if options.set else [])]
        if way not in (ALL_CORES, ONE_CORE):
            arguments += ["--workers", str(options.workers)]
        begun = time.time()
        running = self.commands.start(*arguments)
        if way == ONE_CORE:
            psutil.Process(running.process.pid).cpu_affinity([min(os.sched_getaffinity(0))])
        used = Used(running)
        ended = used.until_the_end()
        if running.wait():
            raise RuntimeError(running.said())
        content = model.read_bytes()
        if self.model not in (None, content):
            raise RuntimeError(f"{way}: the model is another one")
        self.model = content
        if options.studied_once and not studied.exists():
            studied.mkdir()
            shutil.copy(job / "job.json", studied)
            shutil.copytree(job / "record", studied / "record")
        first, last = (f(entry.at for entry in entries(job, what)) for f, what in ((min, "begun"), (max, "done")))
        return (
            f"| {self.shape} | {way} | {ended - begun:.1f} | {used.until(ended):.1f} | {first - begun:.1f} "
            f"| {last - first:.1f} | {(used.until(last) - used.until(first)) / max(last - first, 1e-3):.2f} "
            f"| {ended - last:.1f} | {used.largest_mib(workers=way not in (ALL_CORES, ONE_CORE)):.0f} |"
        )
