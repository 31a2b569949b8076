"""Mishaps that are made to happen: no memory, a block that fails always, a full disk, two commands on one folder."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import tyro

from benchmarks.jobs.commands import Commands, Running, done_twice, entries, wait_until
from benchmarks.jobs.trained import FIRST, MISHAPS, Undisturbed, check

UNLUCKY = 4
"""The block that something happens to."""
NANNY_LIMIT = "1.5GB"
LITTLE_BYTES = 8 * 2**20
"""What a worker may still allocate, where that is limited."""
COLUMNS = "| what | the command | given again | blocks done twice | result |"


@dataclass(frozen=True, kw_only=True)
class Mishaps:
    """Let a training meet everything that cannot be left to chance, and compare with an undisturbed process."""

    only: tuple[str, ...] = ()
    """Names of those wanted; all by default."""
    folder: Path | None = None
    """Where to work, and keep the undisturbed training for another time; a temporary folder by default."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """File for the table, written as it goes."""

    def run(self) -> str:
        """Return a table of what happened."""
        lines = [COLUMNS, "|---" * (COLUMNS.count("|") - 1) + "|"]
        with tempfile.TemporaryDirectory() as temporary, tempfile.TemporaryDirectory() as mishaps:
            os.environ[MISHAPS] = mishaps
            scene = Scene(Commands(self.folder or Path(temporary), FIRST), Path(mishaps))
            for what in self.only or MISHAPS_BY_NAME:
                lines.append(MISHAPS_BY_NAME[what](scene))
                sys.stderr.write(lines[-1] + "\n")
                if self.output is not None:
                    self.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return "\n".join(lines)


class Scene:
    """Where mishaps happen."""

    def __init__(self, commands: Commands, mishaps: Path) -> None:
        self.commands, self.mishaps = commands, mishaps
        self.undisturbed = Undisturbed(commands)
        self._n_jobs = 0

    def job(self, folder: Path | None = None) -> Path:
        """Return the folder of a new job whose stack is studied."""
        self._n_jobs += 1
        path = (folder or self.commands.folder) / f"job-{self._n_jobs}"
        self.undisturbed.begin(path, studied=True)
        return path

    def row(self, what: str, first: str, job: Path, arguments: tuple[str, ...], output: Path) -> str:
        """Give the command again; return a line of the table."""
        again = self.commands.run(*arguments)
        code = again.wait()
        result = "none" if not output.exists() else "another" if self.undisturbed.differs(output) else "equal"
        return f"| {what} | {first} | {_told(again, code)} | {len(done_twice(job))} | {result} |"


def block_fails(scene: Scene) -> str:
    """A block fails as often as it is tried."""
    job, output = scene.job(), scene.commands.folder / "fails.emgauss"
    arguments = (*scene.undisturbed.arguments(job, output), "--workers", "2")
    mishap = scene.mishaps / f"fails-{UNLUCKY}"
    mishap.touch()
    running = scene.commands.run(*arguments)
    first = _told(running, running.wait(), job)
    mishap.unlink()
    return scene.row("a block that fails always", first, job, arguments, output)


def block_hoards(scene: Scene) -> str:
    """A block takes more memory than its worker may have: nannies kill one worker after the other."""
    job, output = scene.job(), scene.commands.folder / "hoards.emgauss"
    mishap = scene.mishaps / f"hoards-{UNLUCKY}"
    mishap.touch()
    scheduler, address = scene.commands.scheduler()
    workers = [scene.commands.worker(address, NANNY_LIMIT) for _ in range(2)]
    try:
        arguments = (*scene.undisturbed.arguments(job, output), "--scheduler", address)
        running = scene.commands.run(*arguments)
        first = _told(running, running.wait(), job)
        mishap.unlink()
        return scene.row(f"a block takes more than the {NANNY_LIMIT} of a worker", first, job, arguments, output)
    finally:
        for process in (scheduler, *workers):
            process.kill_all()


def worker_is_limited(scene: Scene) -> str:
    """A worker may, from a moment on, allocate nothing more: not the nanny but the system refuses."""
    job, output = scene.job(), scene.commands.folder / "limited.emgauss"
    arguments = (*scene.undisturbed.arguments(job, output), "--workers", "2")
    running = scene.commands.start(*arguments)
    wait_until(lambda: len(entries(job, "begun")) >= UNLUCKY)
    limited = psutil.Process(int(entries(job, "begun")[-1].worker.split(":")[1]))
    limit = int(limited.memory_info().data) + LITTLE_BYTES
    limited.rlimit(psutil.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
    first = _told(running, running.wait(), job)
    return scene.row("a worker may allocate nothing more (RLIMIT_DATA)", first, job, arguments, output)


def disk_is_full(scene: Scene) -> str:
    """The disk of the job's folder is full before all blocks are written, and then is made larger."""
    with _small_disk(scene.commands.folder / "disk") as (disk, enlarge):
        job, output = scene.job(disk), scene.commands.folder / "full.emgauss"
        room = sum(path.stat().st_size for path in (scene.undisturbed.folder / "job").glob("block-*/done")) // 2
        enlarge(sum(path.stat().st_size for path in job.rglob("*") if path.is_file()) + room)
        arguments = (*scene.undisturbed.arguments(job, output), "--workers", "2")
        running = scene.commands.run(*arguments)
        first = _told(running, running.wait(), job)
        enlarge(2**30)
        return scene.row("the job's disk is full", first, job, arguments, output)


def disk_of_the_volume_is_full(scene: Scene) -> str:
    """Another program fills the disk of the volume while shards are drawn, and goes."""
    with _small_disk(scene.commands.folder / "disk") as (disk, enlarge):
        enlarge(64 * 2**20)
        job, output = scene.job(), disk / "iso.ome.zarr"
        arguments = (*scene.undisturbed.arguments(job, output), "--workers", "2")
        running = scene.commands.start(*arguments)
        wait_until(lambda: len(entries(job, "done")) >= UNLUCKY)
        filler = disk / "filler"
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(b"0" * 2**16)
                    file.flush()
            except OSError:
                pass
        first = _told(running, running.wait(), job)
        filler.unlink()
        return scene.row("the volume's disk is full", first, job, arguments, output)


def two_commands(scene: Scene) -> str:
    """The same command is given while it runs, and a third process works on the folder by itself."""
    job, output = scene.job(), scene.commands.folder / "both.emgauss"
    arguments = (*scene.undisturbed.arguments(job, output), "--workers", "2")
    running = scene.commands.start(*arguments)
    wait_until(lambda: len(entries(job, "begun")) >= 1)
    helper, second = scene.commands.start("job", str(job), "--work"), scene.commands.run(*arguments)
    first = f"second: {_told(second, second.wait())}; first: {_told(running, running.wait(), job)}"
    check(helper)
    helped = {entry.worker for entry in entries(job, "done")}
    first += f"; {len(helped)} processes trained blocks"
    output.unlink()
    return scene.row("two commands on one folder, and a process that helps", first, job, arguments, output)


MISHAPS_BY_NAME: dict[str, Callable[[Scene], str]] = {
    "fails": block_fails,
    "hoards": block_hoards,
    "limited": worker_is_limited,
    "full": disk_is_full,
    "full-volume": disk_of_the_volume_is_full,
    "two": two_commands,
}


def _told(running: Running, code: int, job: Path | None = None) -> str:
    """Return how a command ended, and what it said last."""
    said = [line for line in running.said().splitlines() if line.strip()]
    done = "" if job is None else f"{len({e.block for e in entries(job, 'done')})} blocks done, "
    return f"{done}exit code {code}" + (f": {' '.join(said[-3:])[-500:]}" if code else "")


@contextmanager
def _small_disk(folder: Path) -> Iterator[tuple[Path, Callable[[int], None]]]:
    """A disk in memory, and what changes its size; takes the right to mount one."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], check=True)
    try:

        def enlarge(n_bytes: int) -> None:
            subprocess.run(["mount", "-o", f"remount,size={n_bytes}", str(folder)], check=True)

        yield folder, enlarge
    finally:
        for _ in range(10):
            if subprocess.run(["umount", str(folder)], check=False).returncode == 0:
                break
            time.sleep(1)
        folder.rmdir()
