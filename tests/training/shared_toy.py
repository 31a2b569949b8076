"""The toy method as a job that other processes open from its folder."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.training.toy import ToyJob, ToyObjective, noisy_images

from napari_emgauss.errors import DiskSpaceError
from napari_emgauss.io.jobs import JobDescription, read_description
from napari_emgauss.io.store import JobFolder
from napari_emgauss.training import Hook, OpenedJob

WIDTH_PX = 24


@dataclass(frozen=True)
class SharedToy(ToyJob):
    """Columns of the toy's images that can be told to fail, to take their time, or to be the death of who takes them.

    A file in the folder ``mishaps`` that is called like a block makes it fail; one called ``kill-BLOCK`` kills; one
    called ``full`` has the disk full.
    """

    opener: ClassVar[str] = "tests.training.shared_toy:open_toy"
    mishaps: str = ""
    step_s: float = 0.0

    def store(self, folder: Path) -> JobFolder:
        """Return the job's folder, described."""
        store = JobFolder(folder, "toy")
        settings = {"column_px": self.column_px, "mishaps": self.mishaps, "step_s": self.step_s}
        columns = tuple((x, x + self.column_px) for x in range(0, WIDTH_PX, self.column_px))
        spans = (((0, 8),), ((0, 6),), columns)
        store.describe(JobDescription(method="toy", fingerprint="toy", settings=settings, source=None, spans=spans))
        return store

    def build(self, block: int) -> ToyObjective:
        """Build the objective of a column, if nothing befalls it."""
        if self.mishaps and (Path(self.mishaps) / str(block)).exists():
            raise ValueError(f"column {block} is torn")
        if self.mishaps and (Path(self.mishaps) / f"kill-{block}").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        objective = super().build(block)
        if self.step_s:
            objective.hooks = [*objective.hooks, Waits(self.step_s)]
        return objective


class Waits(Hook):
    """Time that a step takes."""

    name = "waits"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def after_step(self, iteration: int, n_iterations: int, optimiser: object) -> None:
        """Wait."""
        time.sleep(self.seconds)


class SmallDisk(JobFolder):
    """A folder that holds no models while a file says so."""

    full = Path()

    def save_done(self, block, tensors, values):
        """Keep a model, if there is room."""
        if self.full.is_file():
            raise DiskSpaceError("the disk is full.")
        super().save_done(block, tensors, values)


def open_toy(folder: Path) -> OpenedJob:
    """Open the job in a folder."""
    description = read_description(folder)
    assert description is not None
    store = SmallDisk(folder, "toy", keeps_unwritten=False)
    store.full = Path(description.settings["mishaps"]) / "full"
    return OpenedJob(SharedToy(noisy_images(), **description.settings), store)
