"""What maps from particles cost: processor time per image and per Gaussian, and memory.

``python -m benchmarks.particle_costs`` prints the table. Images are read from a file; more of them are the same ones
again, so that what grows with their number is what they cost. Processor time does not depend on what else a machine
does. Every number of images has a process of its own, whose peak of memory is measured.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from napari_emgauss.forward.simulation import phantom_particles
from napari_emgauss.io.particles import read_particles, write_particles
from napari_emgauss.methods.gem.job import GemJob
from napari_emgauss.methods.gem.setup import prepare
from napari_emgauss.methods.gem.study import study
from napari_emgauss.runtime.torch_threads import one_torch_thread
from napari_emgauss.training import BlockTrainer

BOX_PX, PIXEL_ANGSTROM, WRITTEN = 64, 6.55, 250
IMAGES = 250, 1000, 4000
GAUSSIANS = 500, 2000, 8000
ITERATIONS = 10
FIRST = 3
"""Iterations that are not counted: kernels are compiled then."""


def cost_of_images(table: Path, n_images: int) -> tuple[float, float]:
    """Return the seconds of processor time in which all images are summed, and the peak of memory in MB."""
    particles = read_particles(table)
    study(prepare(particles.take(range(16)), refine="off"))  # compiles
    began = time.process_time()
    study(prepare(particles.take(np.resize(np.arange(len(particles)), n_images).tolist()), refine="off"))
    return time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def cost_of_gaussians(table: Path, numbers: Sequence[int]) -> list[float]:
    """Return the seconds of processor time of an iteration with each number of Gaussians."""
    found = study(prepare(read_particles(table), refine="off"))
    assert found is not None
    costs = []
    for n in numbers:
        setup = prepare(found.setup.particles, n_gaussians=n, shape_iterations=1, likelihood_iterations=100)
        objective = GemJob(type(found)(**{**vars(found), "setup": setup}), positive=True).build(0)
        objective.hooks.remove(objective.stopping)
        trainer = BlockTrainer(objective)
        with one_torch_thread():
            for _ in range(FIRST):
                trainer.step()
            began = time.process_time()
            for _ in range(ITERATIONS):
                trainer.step()
        costs.append((time.process_time() - began) / ITERATIONS)
    return costs


def table_of_costs() -> list[str]:
    """Return both tables."""
    with tempfile.TemporaryDirectory() as folder:
        made = phantom_particles(WRITTEN, box_px=BOX_PX, pixel_size_angstrom=PIXEL_ANGSTROM, snr=0.1)
        table = write_particles(made, Path(folder) / "p.star")
        lines = ["| images | summed in | per image | memory |", "|---|---|---|---|"]
        for n in IMAGES:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as one:
                seconds, memory_mb = one.submit(cost_of_images, table, n).result()
            lines.append(f"| {n} | {seconds:.1f} s | {1e3 * seconds / n:.1f} ms | {memory_mb:.0f} MB |")
        seconds_of = cost_of_gaussians(table, GAUSSIANS)
    slope, intercept = np.polyfit(GAUSSIANS, seconds_of, 1)
    lines += ["", "| Gaussians of a half | an iteration |", "|---|---|"]
    lines += [f"| {n} | {1e3 * seconds:.0f} ms |" for n, seconds in zip(GAUSSIANS, seconds_of, strict=True)]
    return [*lines, "", f"An iteration costs {1e3 * intercept:.0f} ms and {1e6 * slope:.1f} µs per Gaussian."]


if __name__ == "__main__":
    print("\n".join(table_of_costs()))
