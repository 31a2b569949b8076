"""A simulated cluster: a real scheduler and many real workers in one process, blocks that only wait."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from benchmarks.jobs.commands import entries
from napari_emgauss.io.jobs import JobDescription, read_description
from napari_emgauss.io.store import JobFolder
from napari_emgauss.training import Control, Descent, Hook, OpenedJob, Preview, Rate, Schedule, Stage


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
    opener: ClassVar[str] = "benchmarks.jobs.simulated:open_stub"

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
            counts = Counter(entry.block for entry in entries(folder, "done"))
            starts = Counter(entry.block for entry in entries(folder, "begun"))
            begun_again = sum(n - 1 for n in starts.values())
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
