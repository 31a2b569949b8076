"""Jobs that are shared by workers: ended at random, timed, and on a simulated cluster.

``python -m benchmarks.jobs faults --trials 20 --seed 1``
``python -m benchmarks.jobs speed stack.tif --preset fast``
``python -m benchmarks.jobs cluster --workers 64 --blocks 1000``

What came of it is in docs/lab/jobs.md.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import psutil
import torch
import tyro
from torch import nn
from tyro.conf import Positional, subcommand

import napari_emgauss as eg
from napari_emgauss.io.jobs import JobDescription, read_description, read_entries
from napari_emgauss.io.store import JobFolder
from napari_emgauss.phantoms import phantom
from napari_emgauss.training import Control, Descent, Hook, OpenedJob, Preview, Rate, Schedule, Stage

MAIN = "import sys; from napari_emgauss.cli import main\nif __name__ == '__main__': sys.exit(main(sys.argv[1:]))\n"
PATIENCE_S = 900.0
QUICK = ("--preset", "fast", "--set", "tile_px=64", "tile_overlap_px=16", "joint=2", "spacing_px=4")
"""Settings of a training of eight blocks that takes seconds."""


class Commands:
    """Commands of the program in a folder, each in a process group of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._main = folder, folder / "main.py"
        self._main.write_text(MAIN)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start one."""
        command = [sys.executable, str(self._main), *arguments]
        output = (self.folder / "output.txt").open("w")
        return subprocess.Popen(
            command, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def run(self, *arguments: str) -> tuple[int, str, float]:
        """Run one to its end; return its exit code, what it said, and its seconds."""
        begun = time.monotonic()
        code = self.start(*arguments).wait(PATIENCE_S)
        return code, self.said(), time.monotonic() - begun

    def said(self) -> str:
        """Return what the last one said."""
        return (self.folder / "output.txt").read_text(errors="replace")


def workers_of(client: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the worker processes of a running command."""
    try:
        children = psutil.Process(client.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [child for child in children if "multiprocessing.spawn" in " ".join(_words(child))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def kill_worker(client: subprocess.Popen[str], rng: np.random.Generator) -> None:
    """Kill one of the workers; the command goes on."""
    if found := workers_of(client):
        found[int(rng.integers(len(found)))].kill()


def kill_client(client: subprocess.Popen[str], rng: np.random.Generator) -> None:
    """Kill the command, not its workers."""
    client.kill()


def kill_everything(client: subprocess.Popen[str], rng: np.random.Generator) -> None:
    """Kill the command and its workers, as a machine that is switched off does."""
    processes = workers_of(client)
    client.kill()
    for process in processes:
        process.kill()


def press_ctrl_c(client: subprocess.Popen[str], rng: np.random.Generator) -> None:
    """Interrupt all of them, as a terminal does."""
    os.killpg(client.pid, signal.SIGINT)


WAYS: dict[str, Callable[[subprocess.Popen[str], np.random.Generator], None]] = {
    "kill -9 a worker": kill_worker,
    "kill -9 the client": kill_client,
    "kill -9 all": kill_everything,
    "Ctrl-C": press_ctrl_c,
}


@dataclass(frozen=True, kw_only=True)
class Faults:
    """End trainings of two workers at random moments, give the command again, and compare with one process."""

    trials: int = 20
    """How often, half of them for a model and half for a volume without models."""
    seed: int = 0
    """Seed of moments and ways."""

    def run(self) -> str:
        """Return a table of what happened."""
        rng = np.random.default_rng(self.seed)
        counts, findings = Counter[tuple[str, str]](), list[str]()
        with tempfile.TemporaryDirectory() as name:
            commands = Commands(Path(name))
            eg.write(phantom((37, 104, 160), seed=1).every(6), commands.folder / "stack.tif")
            code, said, _ = commands.run("reconstruct", "stack.tif", "-o", "one.emgauss", *QUICK)
            if code:
                raise RuntimeError(said)
            model = eg.load(commands.folder / "one.emgauss")
            volume, whole = np.asarray(model.resample().data), (commands.folder / "one.emgauss").read_bytes()
            for trial in range(self.trials):
                kind = ("model", "volume")[trial % 2]
                way = list(WAYS)[int(rng.integers(len(WAYS)))]
                after_s = float(rng.uniform(3, 40))
                finding, disturbed = self._trial(commands, kind, way, after_s, rng, whole, volume)
                counts[way, "in time" if disturbed else "too late"] += 1
                if finding:
                    findings.append(f"- {kind}, {way} after {after_s:.1f} s: {finding}")
                sys.stderr.write(f"{trial + 1}/{self.trials} {kind} {way} {after_s:.1f} s {finding or 'equal'}\n")
        rows = [f"| {way} | {counts[way, 'in time']} | {counts[way, 'too late']} |" for way in WAYS]
        head = ["| way | ended while it ran | came too late |", "|---|---|---|"]
        return "\n".join([*head, *rows, "", f"{len(findings)} findings.", *findings])

    def _trial(
        self,
        commands: Commands,
        kind: str,
        way: str,
        after_s: float,
        rng: np.random.Generator,
        whole: bytes,
        volume: np.ndarray,
    ) -> tuple[str, bool]:
        folder = commands.folder
        for left in (*folder.glob("job*"), *folder.glob("two*")):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        outputs = ("-o", "two.emgauss") if kind == "model" else ("--export", "two.ome.zarr", "--keep-models", "no")
        arguments = ("reconstruct", "stack.tif", *outputs, "--checkpoint", "job", "--workers", "2", *QUICK)
        client = commands.start(*arguments)
        try:
            client.wait(after_s)
            return "", False
        except subprocess.TimeoutExpired:
            WAYS[way](client, rng)
        code = client.wait(PATIENCE_S)
        if "Traceback" in commands.said():
            return commands.said()[-500:], True
        if code:
            code, said, _ = commands.run(*arguments)
            if code:
                return f"given again, it ended with {code}: {said[-500:]}", True
        twice = [block for block, n in Counter(_done(folder / "job")).items() if n > 1]
        if twice:
            return f"blocks {twice} were trained twice", True
        if kind == "model":
            return ("" if (folder / "two.emgauss").read_bytes() == whole else "another model"), True
        same = np.array_equal(eg.read(folder / "two.ome.zarr").data, volume)
        return ("" if same else "another volume"), True


def _done(job: Path) -> list[int | None]:
    return [entry.block for entry, _ in read_entries(job) if entry.what == "done"]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Time a training by one process, which uses all cores, and by workers; models must be equal."""

    stack: Positional[Path]
    """A stack in a file."""
    preset: str = "fast"
    """Preset."""
    workers: int = 2
    """Workers."""
    set: tuple[str, ...] = ()
    """Other settings."""

    def run(self) -> str:
        """Return seconds, their ratio, and the largest memory of a worker."""
        stack = str(self.stack.absolute())
        settings = ("--preset", self.preset, *(("--set", *self.set) if self.set else ()))
        with tempfile.TemporaryDirectory() as name:
            commands = Commands(Path(name))
            common = ("reconstruct", stack, *settings, "--checkpoint")
            code, said, alone_s = commands.run(*common, "one", "-o", "one.emgauss")
            if code:
                raise RuntimeError(said)
            begun, peak = time.monotonic(), 0
            client = commands.start(*common, "two", "-o", "two.emgauss", "--workers", str(self.workers))
            while client.poll() is None:
                peak = max([peak, *(_memory(worker) for worker in workers_of(client))])
                time.sleep(0.1)
            shared_s = time.monotonic() - begun
            if client.returncode:
                raise RuntimeError(commands.said())
            same = (commands.folder / "one.emgauss").read_bytes() == (commands.folder / "two.emgauss").read_bytes()
            blocks = {job: _span(commands.folder / job) for job in ("one", "two")}
        return (
            f"{eg.read(stack).shape}, {self.preset}: one process {alone_s:.0f} s (blocks {blocks['one']:.0f} s), "
            f"{self.workers} workers {shared_s:.0f} s (blocks {blocks['two']:.0f} s), ratio {shared_s / alone_s:.2f} "
            f"(blocks {blocks['two'] / blocks['one']:.2f}), models {'equal' if same else 'DIFFER'}, "
            f"largest worker {peak / 2**20:.0f} MiB"
        )


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _span(job: Path) -> float:
    """Seconds from the first block's beginning to the last one's end."""
    entries = [entry for entry, _ in read_entries(job) if entry.what in ("begun", "done")]
    return max(entry.at for entry in entries) - min(entry.at for entry in entries)


class Stub(nn.Module):
    """A model of one number."""

    def __init__(self) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.zeros(()))


class Waiting(Hook):
    """Time that a block takes."""

    name = "waiting"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def after_step(self, iteration: int, n_iterations: int, optimiser: object) -> None:
        """Wait."""
        time.sleep(self.seconds)


@dataclass(frozen=True)
class StubSample:
    """Nothing to compare with."""

    name: str = "loss"
    weight: float = 1.0


class StubObjective:
    """One step that waits."""

    schedule = Schedule(stages=(Stage(name="wait", iterations=1),), rates={"number": Rate(0.1, 0.1)})

    def __init__(self, seed: int, seconds: float) -> None:
        self.model, self.seed, self.hooks = Stub(), seed, (Waiting(seconds),)

    def solver(self) -> Descent:
        """Descend."""
        return Descent(self)

    def parameters(self) -> dict[str, torch.Tensor]:
        """Return the number."""
        return dict(self.model.named_parameters())

    def sample(self, iteration: int, rng: np.random.Generator) -> Sequence[StubSample]:
        """Return one."""
        return [StubSample()]

    def loss(self, samples: Sequence[StubSample], iteration: int) -> Sequence[torch.Tensor]:
        """Pull the number to 1."""
        return [(self.model.number - 1) ** 2 for _ in samples]

    def scores(self) -> dict[str, float]:
        """Return none."""
        return {}

    def preview(self, wanted: tuple[float, ...] | None) -> Preview | None:
        """Return none."""
        return None

    def values(self) -> dict[str, Any]:
        """Return none."""
        return {}


@dataclass(frozen=True)
class StubJob:
    """Blocks that take a random time and learn nothing."""

    n_blocks: int
    mean_s: float
    opener: ClassVar[str] = "benchmarks.jobs:open_stub"

    def iterations(self, block: int) -> int:
        """Return 1."""
        return 1

    def build(self, block: int) -> StubObjective:
        """Return a block with a time of its own."""
        seconds = np.random.default_rng(block).exponential(self.mean_s) if self.mean_s else 0.0
        return StubObjective(block, float(seconds))

    def nearest(self, blocks: Sequence[int], position: tuple[float, ...] | None) -> int:
        """Return the first."""
        return blocks[0]


def open_stub(folder: Path) -> OpenedJob:
    """Open a stubbed job."""
    description = read_description(folder)
    assert description is not None
    return OpenedJob(StubJob(**description.settings), JobFolder(folder, "stub", keeps_unwritten=False))


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Simulate a cluster: a real scheduler and real workers in one process, blocks that only wait, workers that go."""

    workers: int = 64
    """Workers."""
    blocks: int = 1000
    """Blocks."""
    mean_s: float = 0.5
    """Mean of the time that a block takes, which is exponentially distributed."""
    losses: int = 20
    """Workers that lose their connection while they work, each replaced by another."""
    seed: int = 0
    """Seed of who goes, and when."""

    def run(self) -> str:
        """Return the time, that of the blocks alone, and how often a block was done."""
        import dask
        from distributed import Client, LocalCluster

        from napari_emgauss.training.engines.dask import DaskEngine

        rng = np.random.default_rng(self.seed)
        StubObjective(0, 0.0).solver()  # torch imports the rest of itself, which threads cannot do at once
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
            dask.config.set(
                {
                    "distributed.scheduler.allowed-failures": 10,
                    "distributed.worker.profile.enabled": False,
                    "distributed.admin.system-monitor.interval": "10s",
                }
            ),
            LocalCluster(
                n_workers=self.workers,
                threads_per_worker=1,
                processes=False,
                memory_limit=0,  # all of them are one process
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                silence_logs="CRITICAL",
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            folder, job = Path(name), StubJob(self.blocks, self.mean_s)
            store = JobFolder(folder, "stub")
            settings = {"n_blocks": self.blocks, "mean_s": self.mean_s}
            spans = (tuple((i, i + 1) for i in range(self.blocks)),)
            store.describe(
                JobDescription(method="stub", fingerprint="stub", settings=settings, source=None, spans=spans)
            )
            ended = threading.Event()
            thread = threading.Thread(target=self._lose, args=(cluster, rng, ended))
            begun = time.monotonic()
            thread.start()
            DaskEngine(client).run(job, store, Control(), lambda event: None)
            seconds = time.monotonic() - begun
            ended.set()
            thread.join()
            counts = Counter(_done(folder))
            begun_again = sum(n - 1 for n in Counter(_begun(folder)).values())
        work_s = sum(hook.seconds for block in range(self.blocks) for hook in job.build(block).hooks)
        twice = sum(n > 1 for n in counts.values())
        return (
            f"{self.workers} workers, {self.blocks} blocks of {self.mean_s:g} s in the mean, {self.losses} losses: "
            f"{seconds:.1f} s, of which {work_s / self.workers:.1f} s are the blocks' own; "
            f"{1e3 * (seconds - work_s / self.workers) / self.blocks:.1f} ms a block besides; "
            f"{len(counts)} blocks done, {twice} of them twice, {begun_again} begun again"
        )

    def _lose(self, cluster: Any, rng: np.random.Generator, ended: threading.Event) -> None:
        expected_s = self.blocks * self.mean_s / self.workers
        for _ in range(self.losses):
            if ended.wait(float(rng.exponential(expected_s / max(self.losses, 1)))):
                return
            addresses = sorted(cluster.scheduler.workers)
            lost = addresses[int(rng.integers(len(addresses)))]
            # What a scheduler does when a connection breaks; the lost worker's thread goes on, and keeps its claim.
            cluster.sync(cluster.scheduler.remove_worker, lost, stimulus_id="lost")
            cluster.scale(len(cluster.worker_spec) + 1)


def _begun(job: Path) -> list[int | None]:
    return [entry.block for entry, _ in read_entries(job) if entry.what == "begun"]


def main(arguments: Any = None) -> int:
    """Measure, and print what came of it."""
    measured = tyro.cli(
        Annotated[Faults, subcommand("faults")]
        | Annotated[Speed, subcommand("speed")]
        | Annotated[Cluster, subcommand("cluster")],
        args=arguments,
        config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes),
    )
    sys.stdout.write(f"{measured.run()}\n")
    return 0


if __name__ == "__main__":
    # Workers find the stubbed job under the module's own name.
    from benchmarks.jobs import main as named

    sys.exit(named())
