"""Memory that a training will take, counted before it starts."""

from __future__ import annotations

import psutil
import torch

from napari_emgauss.blocks import Block
from napari_emgauss.errors import OutOfMemoryError
from napari_emgauss.methods.emgauss.setup import Setup
from napari_emgauss.runtime.memory import available_bytes
from napari_emgauss.units import format_bytes

LIBRARIES_BYTES = 190 * 2**20
"""Taken by the first training of a process, whatever its size: the network, and what libraries set up to run it."""
PARAMETERS_BYTES = 8 * 4
"""Of a Gaussian."""
PACKED_BYTES = 3.4
"""Of a Gaussian in a model file (docs/lab/model-size.md)."""
GPU_WORK_BYTES = 2**30
"""The same on a GPU, and for what the networks compute on the way to a prediction."""


def process_peak_bytes(setup: Setup, *, keeps_models: bool = True) -> int:
    """Return what this process will take at the peak of a training, of which it has tried each part already.

    That is what it takes now, which the libraries are a part of, and what training adds beside them.
    """
    added = estimate_memory_bytes(setup, keeps_models=keeps_models) - LIBRARIES_BYTES
    return int(psutil.Process().memory_info().rss) + added


def estimate_memory_bytes(setup: Setup, *, keeps_models: bool = True) -> int:
    """Return what training adds at its peak: the largest block with its sections, all finished models, the libraries.

    Without the models it is what a worker of a job takes.

    A Gaussian has 8 float32 parameters, held 6 times at most (value, gradient, two moments, teacher, working copy); the
    MLP keeps its activations of every Gaussian for the backward pass; finished blocks keep their values once.
    """
    finished = PARAMETERS_BYTES * n_gaussians_at_most(setup) if keeps_models else 0
    return LIBRARIES_BYTES + _largest_block_bytes(setup) + finished


def estimate_gpu_bytes(setup: Setup) -> int:
    """Return what training takes of a GPU at its peak: the largest block with its sections, and the work itself."""
    return GPU_WORK_BYTES + _largest_block_bytes(setup)


def free_gpu_bytes(device: torch.device) -> int:
    """Return how much memory of a GPU this process can still take, with what torch holds and does not use."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def _largest_block_bytes(setup: Setup) -> int:
    return max(_block_bytes(setup, block) for block in setup.block_sizes)


def _block_bytes(setup: Setup, block: Block) -> int:
    y0, y1, x0, x1 = setup.plan.region(block)
    start, stop = setup.plan.z[block.z]
    n, n_sets = _n_gaussians(setup, block), setup.config.model.n_sets(setup.n_anchors(block))
    activations = 4 * setup.config.model.activations_per_gaussian * n
    return 6 * PARAMETERS_BYTES * n + activations + 4 * max(n_sets, stop - start) * (y1 - y0) * (x1 - x0) * 3


def n_gaussians_at_most(setup: Setup) -> int:
    """Return the Gaussians that all blocks may have together."""
    return sum(n * _n_gaussians(setup, block) for block, n in setup.block_sizes.items())


def _n_gaussians(setup: Setup, block: Block) -> int:
    """Most Gaussians that a block can have."""
    model, (y0, y1, x0, x1) = setup.config.model, setup.plan.region(block)
    return model.n_sets(setup.n_anchors(block)) * model.n_at_most((y1 - y0) * (x1 - x0))


def fits_gpu(setup: Setup) -> bool:
    """Tell whether the GPU has room for the training, as far as can be counted; True on the CPU."""
    return setup.device.type != "cuda" or estimate_gpu_bytes(setup) <= free_gpu_bytes(setup.device)


def check_memory(setup: Setup, *, keeps_models: bool = True) -> None:
    """Refuse a training that cannot fit before it starts.

    Raises
    ------
    OutOfMemoryError
        The estimate exceeds the memory that is free on this machine.
    """
    need, free = estimate_memory_bytes(setup, keeps_models=keeps_models), available_bytes()
    if setup.device.type == "cpu" and need > free:
        raise OutOfMemoryError(
            f"training needs about {format_bytes(need)} of memory and {format_bytes(free)} are free. "
            "Use smaller tiles (tile_px), a larger spacing_px, or a part of the stack."
        )
