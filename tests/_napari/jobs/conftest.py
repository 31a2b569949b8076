"""A job of four small blocks that was studied in this process, for other processes to work on."""

import shutil
import subprocess
import sys

import pytest

import napari_emgauss as eg
from napari_emgauss._napari.jobs.widget import JobWidget
from napari_emgauss.errors import JobPausedError
from napari_emgauss.methods.emgauss import reconstruct
from napari_emgauss.training import FinishReason

WAIT_MS = 180_000
TINY = {
    "preset": "fast",
    "newton_steps": 1,
    "spacing_px": 4.0,
    "tile_px": 32,
    "tile_overlap_px": 8,
    "prior": False,
    "lateral_steps": 0,
    "adapt_spacing": False,
}
WORK = """
import sys
from pathlib import Path
from napari_emgauss.methods.emgauss.job import EmgaussJob
from napari_emgauss.training.engines.tasks import work_on

work_on(EmgaussJob.opener, Path(sys.argv[1]))
"""
HOLD = """
import sys
from pathlib import Path
from napari_emgauss.io.jobs.log import append_entry
from napari_emgauss.io.jobs.claims import claimed

with claimed(Path(sys.argv[1]) / f"block-{int(sys.argv[2]):05d}"):
    append_entry(Path(sys.argv[1]), "begun", block=int(sys.argv[2]))
    sys.stdin.read()
"""


class Nobody:
    """An engine that leaves all blocks to others."""

    def run(self, job, store, control, emit):
        return FinishReason.STOPPED


@pytest.fixture(scope="session")
def stack_file(stack, tmp_path_factory):
    return eg.write(stack, tmp_path_factory.mktemp("jobs") / "stack.ome.zarr")


@pytest.fixture(scope="session")
def studied(stack_file):
    """The folder of a job whose blocks are planned and not begun."""
    folder = stack_file.with_name("studied.job")
    with pytest.raises(JobPausedError):
        reconstruct(eg.read(stack_file), checkpoint=folder, make_engine=lambda *_: Nobody(), **TINY)
    return folder


@pytest.fixture
def job(studied, tmp_path):
    """A job of one's own."""
    return shutil.copytree(studied, tmp_path / "cells.job")


@pytest.fixture
def start():
    """Start a process that trains the blocks of a job, or claims one of them until it is killed."""
    begun = []

    def start(*arguments, code=WORK):
        words = [sys.executable, "-c", code, *map(str, arguments)]
        begun.append(subprocess.Popen(words, stdin=subprocess.PIPE))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()


@pytest.fixture
def widget(viewer):
    """A docked Job."""
    widget = JobWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Job (EMGauss)")
    return widget


@pytest.fixture
def until(qtbot):
    """Wait until something of the job is seen."""
    return lambda seen: qtbot.waitUntil(lambda: bool(seen()), timeout=WAIT_MS)
