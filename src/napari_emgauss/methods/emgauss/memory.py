"""Memory that a training will take, counted before it starts."""

from __future__ import annotations

import psutil

from napari_emgauss.errors import OutOfMemoryError
from napari_emgauss.methods.emgauss.setup import Setup
from napari_emgauss.runtime.memory import available_bytes

LIBRARIES_BYTES = 190 * 2**20
"""Taken by the first training of a process, whatever its size: the network, and what libraries set up to run it."""


def process_peak_bytes(setup: Setup) -> int:
    """Return what this process will take at the peak of a training: what it takes now, and what that adds."""
    return int(psutil.Process().memory_info().rss) + estimate_memory_bytes(setup)


def estimate_memory_bytes(setup: Setup) -> int:
    """Return what training adds at its peak: the largest block with its sections, all finished models, the libraries.

    A Gaussian has 8 float32 parameters, held 6 times at most (value, gradient, two moments, teacher, working copy); the
    MLP keeps its activations of every Gaussian for the backward pass; finished blocks keep their values once.
    """
    model = setup.config.model
    total, peak = 0, 0
    for block in setup.plan.blocks:
        y0, y1, x0, x1 = setup.plan.region(block)
        start, stop = setup.plan.z[block.z]
        n_px = (y1 - y0) * (x1 - x0)
        n_sets = model.n_sets(setup.n_anchors(block))
        n = n_sets * model.n_at_most(n_px)
        activations = 4 * model.activations_per_gaussian * n
        peak = max(peak, 6 * 8 * 4 * n + activations + 4 * max(n_sets, stop - start) * n_px * 3)
        total += 8 * 4 * n
    return LIBRARIES_BYTES + peak + total


def check_memory(setup: Setup) -> None:
    """Refuse a training that cannot fit before it starts.

    Raises
    ------
    OutOfMemoryError
        The estimate exceeds the memory that is free on this machine.
    """
    need, free = estimate_memory_bytes(setup), available_bytes()
    if setup.device.type == "cpu" and need > free:
        raise OutOfMemoryError(
            f"training needs about {need / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free. "
            "Use smaller tiles (tile_px), a larger spacing_px, or a part of the stack."
        )
