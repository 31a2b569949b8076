"""The training that is disturbed, and how its job is opened by workers to which things happen."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

import napari_emgauss as eg
from benchmarks.jobs.commands import Commands, Running
from napari_emgauss._types import AnyArray
from napari_emgauss.errors import FileFormatError
from napari_emgauss.io.jobs import read_description
from napari_emgauss.io.store import JobFolder
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.methods.emgauss.objective import SectionObjective
from napari_emgauss.methods.emgauss.shared import open_job
from napari_emgauss.phantoms import phantom
from napari_emgauss.training import OpenedJob

SHAPE, FACTOR = (37, 104, 160), 6
SETTINGS = (
    "--preset", "fast", "--set", "tile_px=64", "tile_overlap_px=16", "bundle_sections=4", "bundle_overlap=1",
    "spacing_px=4", "adapt_spacing=false", "joint=8",
)  # fmt: skip
"""Of a training of 12 blocks, each of which takes a second or two."""
FIRST = """
import benchmarks.jobs.trained
benchmarks.jobs.trained.make_small()
"""
"""What every process of the training runs first."""
MISHAPS = "EMGAUSS_BENCHMARK_MISHAPS"
"""Environment variable with a folder: a file ``fails-BLOCK`` in it has a block fail, ``hoards-BLOCK`` take memory."""
HOARDED_BYTES, PIECE_BYTES = 4 * 2**30, 32 * 2**20
"""A hoarding block takes so much, piece by piece."""


def make_small() -> None:
    """Have blocks checkpointed all the time, volumes cut into small shards, and mishaps happen."""
    from napari_emgauss.methods.emgauss.shared import volume
    from napari_emgauss.training import RunConfig

    assert RunConfig.__init__.__kwdefaults__ is not None
    RunConfig.__init__.__kwdefaults__["checkpoint_every_s"] = 0.2
    volume.CHUNK = volume.SHARD = (16, 64, 64)
    EmgaussJob.opener = "benchmarks.jobs.trained:open_unlucky"


@dataclass(frozen=True)
class UnluckyJob(EmgaussJob):
    """A training whose blocks fail, or take all memory, while a file says so."""

    def build(self, block: int) -> SectionObjective:
        """Build the objective of a block, if nothing befalls it."""
        folder = Path(os.environ.get(MISHAPS, os.devnull))
        if (folder / f"fails-{block}").exists():
            raise ValueError("the block is made to fail")
        hoarded = []
        while (folder / f"hoards-{block}").exists() and len(hoarded) < HOARDED_BYTES // PIECE_BYTES:
            hoarded.append(np.ones(PIECE_BYTES, np.uint8))
            time.sleep(0.02)
        return super().build(block)


def open_unlucky(folder: Path) -> OpenedJob:
    """Open the training in a folder."""
    opened = open_job(folder)
    assert isinstance(opened.job, EmgaussJob)
    job = UnluckyJob(opened.job.setup, opened.job.study)
    return OpenedJob(job, opened.store, opened.threads, opened.drawing)


class Undisturbed:
    """The training by one process that nothing happens to; one that is there already is taken.

    Parameters
    ----------
    commands
        Where, and by what.
    """

    def __init__(self, commands: Commands) -> None:
        self.folder = commands.folder / "undisturbed"
        self.stack, self._model = self.folder / "stack.tif", self.folder / "model.emgauss"
        if self._model.exists():
            return
        self.folder.mkdir()
        eg.write(phantom(SHAPE, seed=1).every(FACTOR), self.stack)
        outputs = ("-o", str(self._model), "--checkpoint", str(self.folder / "job"))
        check(commands.run("reconstruct", str(self.stack), *outputs, *SETTINGS))

    @cached_property
    def model(self) -> bytes:
        """Its model file."""
        return self._model.read_bytes()

    @cached_property
    def volume(self) -> AnyArray:
        """The volume of its model."""
        return np.asarray(eg.load(self._model).resample().data)

    @cached_property
    def n_blocks(self) -> int:
        """Number of its blocks."""
        return len(list((self.folder / "job").glob("block-*/done")))

    def begin(self, job: Path, *, studied: bool) -> None:
        """Make the folder of a job whose stack is studied, or not even that."""
        shutil.rmtree(job, ignore_errors=True)
        if studied:
            job.mkdir()
            shutil.copy(self.folder / "job" / "job.json", job)
            shutil.copytree(self.folder / "job" / "record", job / "record")

    def arguments(self, job: Path, output: Path) -> tuple[str, ...]:
        """Return the command that trains for a model or, named ``.ome.zarr``, a volume without models."""
        wanted = (
            ("-o", str(output)) if output.suffix == ".emgauss" else ("--export", str(output), "--keep-models", "no")
        )
        return ("reconstruct", str(self.stack), *wanted, "--checkpoint", str(job), *SETTINGS)

    def differs(self, output: Path) -> bool:
        """Tell whether an output is another one than that of the undisturbed training."""
        if output.suffix == ".emgauss":
            return output.read_bytes() != self.model
        return not np.array_equal(np.asarray(eg.read(output).data), self.volume)


def check(running: Running) -> None:
    """Raise ``RuntimeError`` unless a command came to a good end."""
    if running.wait():
        raise RuntimeError(running.said())


def torn(job: Path) -> list[int]:
    """Return the blocks whose model has its final name and is not whole."""
    found = []
    description = read_description(job)
    if description is None:
        return found
    store = JobFolder(job, description.fingerprint)
    for path in job.glob("block-*/done"):
        block = int(path.parent.name.removeprefix("block-"))
        try:
            store.load_done(block)
        except FileFormatError:
            if path.exists():  # else it was dropped in this moment
                found.append(block)
    return found
