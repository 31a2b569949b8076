"""Trainings whose processes are killed at random moments, again and again, until they come to their end."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from benchmarks.jobs.commands import PATIENCE_S, Commands, Running, done_twice, entries, wait_until
from benchmarks.jobs.trained import FIRST, Undisturbed, torn
from napari_emgauss.io.ome_zarr.sharded import working_path

OWN = ("a worker", "the client", "all", "Ctrl-C")
"""What ends where a command has workers of its own."""
SHARED = ("a worker", "the client", "the scheduler", "all")
"""What ends where the workers are those of a scheduler."""
COLUMNS = (
    "| job | output | workers | studied | killed, in turn (blocks done by then) | blocks | twice | torn | result |"
)
STUDIED_SHARE, EARLY_SHARE = 0.75, 0.15
"""Share of the jobs that begin with the stack studied, and of the kills that come before a block is begun."""
EARLY_S, LATE_S = 12.0, 2.0
"""Longest time from a command's beginning, or from a block's, to a kill."""


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Kill processes of trainings at random, give the command again, and compare with an undisturbed process."""

    kills: int = 40
    """Kills in all."""
    per_job: int = 5
    """Most kills of one job."""
    seed: int = 0
    """Seed of the moments and of what is killed."""
    folder: Path | None = None
    """Where to work, and keep the undisturbed training for another time; a temporary folder by default."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File for the table, written as it goes."""

    def run(self) -> str:
        """Return a table of what happened."""
        rng = np.random.default_rng(self.seed)
        lines, kills, number = [COLUMNS, "|---" * (COLUMNS.count("|") - 1) + "|"], 0, 0
        with tempfile.TemporaryDirectory() as temporary:
            commands = Commands(self.folder or Path(temporary), FIRST)
            undisturbed = Undisturbed(commands)
            while kills < self.kills:
                job = _DisturbedJob(
                    commands,
                    undisturbed,
                    number=number,
                    output=commands.folder / f"two-{number}{('.emgauss', '.ome.zarr')[number % 2]}",
                    has_scheduler=number % 4 >= 2,
                    studied=bool(rng.random() < STUDIED_SHARE),
                )
                lines.append(job.run(min(self.per_job, self.kills - kills), rng))
                kills += len(job.killed)
                number += 1
                sys.stderr.write(f"{kills}: {lines[-1]}\n")
                if self.output is not None:
                    self.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return "\n".join(lines)


@dataclass
class _DisturbedJob:
    """One training, from its first command to its end."""

    commands: Commands
    undisturbed: Undisturbed
    number: int
    output: Path
    has_scheduler: bool
    studied: bool
    killed: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    excused: bool = False
    """Whether something was killed that the command cannot outlive."""
    scheduler: Running | None = None
    workers: list[Running] = field(default_factory=list)
    address: str = ""

    @property
    def job(self) -> Path:
        """Its folder."""
        return self.commands.folder / f"job-{self.number}"

    def run(self, most: int, rng: np.random.Generator) -> str:
        """Disturb it ``most`` times at most; return a line of the table."""
        self.undisturbed.begin(self.job, studied=self.studied)
        begun = time.monotonic()
        client = self._start()
        while client.is_running or client.wait():
            if time.monotonic() - begun > PATIENCE_S:
                self.findings.append("no end")
                break
            if not client.is_running:
                if not self.excused:
                    self.findings.append(f"ended by itself: {client.said()[-400:]}")
                    break
                self.excused, client = False, self._start()
            if len(self.killed) < most and self._wait(client, rng):
                self._kill(client, rng)
                if found := torn(self.job):
                    self.findings.append(f"blocks {found} are torn")
                if self.output.exists() and self.undisturbed.differs(self.output):
                    self.findings.append("an output under its final name is not whole")
            elif len(self.killed) >= most:
                client.process.wait(PATIENCE_S)
            if "Traceback" in client.said():
                self.findings.append(client.said()[-400:])
        self._end()
        return self._row()

    def _start(self) -> Running:
        arguments = self.undisturbed.arguments(self.job, self.output)
        if not self.has_scheduler:
            return self.commands.start(*arguments, "--workers", "2")
        if self.scheduler is None or not self.scheduler.is_running:
            self._end()
            self.scheduler, self.address = self.commands.scheduler()
            self.workers = [self.commands.worker(self.address) for _ in range(2)]
        return self.commands.start(*arguments, "--scheduler", self.address)

    def _wait(self, client: Running, rng: np.random.Generator) -> bool:
        """Wait for a random moment of its work; whether it still runs then."""
        before = len(entries(self.job, "begun"))
        if rng.random() < EARLY_SHARE:
            time.sleep(float(rng.uniform(0, EARLY_S)))
        else:
            wanted = before + int(rng.integers(1, 4))
            wait_until(lambda: not client.is_running or len(entries(self.job, "begun")) >= wanted)
            time.sleep(float(rng.uniform(0, LATE_S)))
        return client.is_running

    def _kill(self, client: Running, rng: np.random.Generator) -> None:
        ways = SHARED if self.has_scheduler else OWN
        way = ways[int(rng.integers(len(ways)))]
        own = [worker for running in (client, *self.workers) for worker in running.workers()]
        self.killed.append(f"{way} ({len(entries(self.job, 'done'))})")
        self.excused = way != "a worker"
        if way == "a worker" and own:
            own[int(rng.integers(len(own)))].kill()
        elif way == "the client":
            client.kill()
        elif way == "the scheduler":
            assert self.scheduler is not None
            self.scheduler.kill()
            client.process.wait(PATIENCE_S)
        elif way == "all":
            client.kill_all()
            self._end()
        elif way == "Ctrl-C":
            client.interrupt()
            client.process.wait(PATIENCE_S)

    def _end(self) -> None:
        """End what was started beside the command."""
        for running in (*([self.scheduler] if self.scheduler else []), *self.workers):
            running.kill_all()
        self.scheduler, self.workers = None, []

    def _row(self) -> str:
        twice = done_twice(self.job)
        if not self.output.exists():
            self.findings.append("no output")
        elif self.undisturbed.differs(self.output):
            self.findings.append("another result")
        if working_path(self.output).exists():
            self.findings.append("an unfinished volume is left")
        n_done = len({entry.block for entry in entries(self.job, "done")})
        if n_done != self.undisturbed.n_blocks:
            self.findings.append(f"{n_done} blocks of {self.undisturbed.n_blocks}")
        kind = "model" if self.output.suffix == ".emgauss" else "volume"
        return (
            f"| {self.number + 1} | {kind} | {'of a scheduler' if self.has_scheduler else 'own'} "
            f"| {'yes' if self.studied else 'no'} | {', '.join(self.killed) or '–'} | {n_done} | {len(twice)} "
            f"| {sum('torn' in finding for finding in self.findings)} | {' '.join(self.findings) or 'equal'} |"
        )
